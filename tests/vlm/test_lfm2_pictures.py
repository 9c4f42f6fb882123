from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from superneurons.vlm.lfm2_pictures import Cut, Lfm2VlImageProcessorPil, cut_of

OWN = {
    name: getattr(Lfm2VlImageProcessorPil, name)
    for name in (
        "do_image_splitting", "downsample_factor", "encoder_patch_size", "max_image_tokens",
        "max_pixels_tolerance", "max_tiles", "min_image_tokens", "min_tiles", "tile_size",
    )
}  # fmt: skip
SMALL: dict[str, Any] = {
    "encoder_patch_size": 4, "tile_size": 16, "min_image_tokens": 2, "max_image_tokens": 4,
    "max_pixels_tolerance": 2.0, "max_tiles": 4,
}  # fmt: skip
sides = st.integers(8, 3000)


def noise(width: int, height: int) -> Image.Image:
    rough = np.random.default_rng(0).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3))
    return Image.fromarray(rough.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)


# What transformers 5.23 makes of these sizes with torchvision 0.28.
@pytest.mark.parametrize(
    ("height", "width", "cut"),
    [
        (512, 512, Cut(1, 1, 512, 512)),
        (100, 60, Cut(1, 1, 352, 224)),
        (700, 700, Cut(1, 1, 512, 512)),
        (1024, 1024, Cut(2, 2, 512, 512)),
        (1200, 1200, Cut(3, 3, 512, 512)),
        (480, 1900, Cut(1, 4, 256, 992)),
        (3000, 1000, Cut(3, 1, 864, 288)),
        (768, 1366, Cut(2, 4, 352, 672)),
    ],
)
def test_pictures_are_cut_as_by_transformers(height: int, width: int, cut: Cut) -> None:
    assert cut_of(height, width, OWN) == cut


@given(sides, sides)
def test_the_whole_makes_a_number_of_tokens_within_limits(height: int, width: int) -> None:
    cut = cut_of(height, width, OWN)
    assert cut.height % 32 == cut.width % 32 == 0
    if max(height, width) <= 16 * min(height, width):  # else one side is a single token
        assert 64 <= cut.height * cut.width // 32**2 <= 256


@given(sides, sides)
def test_what_is_cut_is_large_and_makes_a_number_of_squares_within_limits(
    height: int, width: int
) -> None:
    cut = cut_of(height, width, OWN)
    assert cut.rows * cut.columns == 1 or 2 <= cut.rows * cut.columns <= 10
    if height * width < 512 * 512:
        assert cut.rows * cut.columns == 1
    assert cut_of(height, width, OWN | {"do_image_splitting": False})[:2] == (1, 1)
    assert cut_of(height, width, OWN | {"min_tiles": 1, "max_tiles": 1})[:2] == (1, 1)


def test_patches_are_the_picture_row_by_row() -> None:
    picture = noise(16, 8)
    made = Lfm2VlImageProcessorPil(**SMALL)([picture], return_tensors="pt")
    assert made["spatial_shapes"].tolist() == [[2, 4]]
    assert made["pixel_attention_mask"].tolist() == [[1] * 8 + [0] * 8]
    assert not made["pixel_values"][0, 8:].any()
    squares = made["pixel_values"][0, :8].reshape(2, 4, 4, 4, 3)
    levels = squares.permute(0, 2, 1, 3, 4).reshape(8, 16, 3) * 127.5 + 127.5
    np.testing.assert_allclose(levels, np.asarray(picture), atol=1e-3)


@pytest.mark.parametrize("thumbnail", [True, False])
def test_squares_come_row_by_row_and_the_whole_last(thumbnail: bool) -> None:
    colours = np.array([[0, 80], [160, 240]], dtype=np.uint8)
    picture = Image.fromarray(colours.repeat(32, 0).repeat(32, 1)).convert("RGB")
    make = Lfm2VlImageProcessorPil(**SMALL, use_thumbnail=thumbnail)
    made = make([picture], return_tensors="pt", return_row_col_info=True)
    found = made["pixel_values"][:4].mean(dim=(1, 2)) * 127.5 + 127.5
    np.testing.assert_allclose(found, colours.ravel(), atol=2)
    assert len(made["pixel_values"]) == 4 + thumbnail
    assert (int(made["image_rows"][0]), int(made["image_cols"][0])) == (2, 2)
    if thumbnail:
        assert float(made["pixel_values"][4].mean() * 127.5 + 127.5) == pytest.approx(120, abs=2)


def test_a_batch_is_its_pictures_one_after_the_other() -> None:
    make = Lfm2VlImageProcessorPil(**SMALL)
    pictures = [noise(40, 24), noise(12, 20), noise(30, 90)]
    together = make(pictures, return_tensors="pt")
    alone = [make([picture], return_tensors="pt") for picture in pictures]
    for name, found in together.items():
        torch.testing.assert_close(found, torch.cat([each[name] for each in alone]))


def test_its_settings_are_kept_under_the_name_of_the_original(tmp_path: Path) -> None:
    Lfm2VlImageProcessorPil(**SMALL).save_pretrained(tmp_path)
    loaded = Lfm2VlImageProcessorPil.from_pretrained(tmp_path)
    assert {name: getattr(loaded, name) for name in SMALL} == SMALL
    assert loaded.to_dict()["image_processor_type"] == "Lfm2VlImageProcessor"


@pytest.mark.skipif(find_spec("torchvision") is None, reason="the original needs torchvision")
@pytest.mark.parametrize("size", [(300, 200), (1000, 900), (2100, 700), (333, 1500)])
def test_pixels_are_those_of_the_original(size: tuple[int, int]) -> None:
    from transformers.models.lfm2_vl.image_processing_lfm2_vl import Lfm2VlImageProcessor

    asked = {"images": [noise(*size)], "return_tensors": "pt", "return_row_col_info": True}
    expected, found = Lfm2VlImageProcessor()(**asked), Lfm2VlImageProcessorPil()(**asked)
    assert set(found) == set(expected)
    for name, value in expected.items():
        # torchvision rounds otherwise where it resizes, by two levels of 255 at most.
        torch.testing.assert_close(found[name], value, rtol=0, atol=2.01 / 127.5)
