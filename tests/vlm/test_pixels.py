from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    CLIPImageProcessorPil,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
    ViTImageProcessorPil,
)

from devices import DEVICES
from superneurons.errors import DataError
from superneurons.vlm.pixels import decode, pixel_preparer, why_not

PROCESSORS: dict[str, Any] = {
    "clip": CLIPImageProcessorPil(),
    "llava-1.5": CLIPImageProcessorPil(
        size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
    ),
    "exact": CLIPImageProcessorPil(
        size={"height": 30, "width": 40}, crop_size={"height": 30, "width": 40}
    ),
    "crop wider than the picture": CLIPImageProcessorPil(
        size={"height": 31, "width": 20}, crop_size={"height": 24, "width": 33}
    ),
    "no crop": CLIPImageProcessorPil(size={"height": 33, "width": 20}, do_center_crop=False),
    "not normalised": CLIPImageProcessorPil(do_normalize=False, resample=2),
    "lanczos": CLIPImageProcessorPil(resample=1, rescale_factor=1 / 127.5),
    "siglip": SiglipImageProcessorPil(),
    "qwen2-vl": Qwen2VLImageProcessorPil(),
    "qwen3-vl": Qwen2VLImageProcessorPil(
        patch_size=16, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        size={"shortest_edge": 65536, "longest_edge": 16777216},
    ),
    "small patches": Qwen2VLImageProcessorPil(
        patch_size=4, merge_size=3, temporal_patch_size=1,
        size={"shortest_edge": 256, "longest_edge": 1024},
    ),
}  # fmt: skip


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    found = [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for height, width in [(48, 64), (333, 217), (48, 64), (31, 5), (1, 1), (480, 640)]
    ]
    return [*found, Image.linear_gradient("L").resize((301, 99)).convert("RGB")]


def both(name: str, shown: list[Image.Image], device: str = "cpu") -> tuple[Any, Any]:
    processor = SimpleNamespace(image_processor=PROCESSORS[name])
    preparer = pixel_preparer(processor, device)
    assert preparer is not None
    expected = dict(PROCESSORS[name](images=shown, return_tensors="pt"))
    return expected, preparer(shown)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", PROCESSORS)
def test_it_gives_what_the_image_processor_gives(name: str, device: str) -> None:
    expected, found = both(name, pictures(), device)
    assert list(found) == list(expected)
    assert found["pixel_values"].device.type == device
    for key, wanted in expected.items():
        assert found[key].dtype == wanted.dtype
        torch.testing.assert_close(found[key].cpu(), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_order_of_the_pictures_does_not_matter(name: str) -> None:
    shown = pictures()
    _, found = both(name, shown)
    _, turned = both(name, shown[::-1])
    if "image_grid_thw" in found:
        assert torch.equal(turned["image_grid_thw"], found["image_grid_thw"].flip(0))
        ends = found["image_grid_thw"].prod(dim=1).tolist()
        parts = torch.split(found["pixel_values"], ends)
        assert torch.equal(turned["pixel_values"], torch.cat(parts[::-1]))
    else:
        assert torch.equal(turned["pixel_values"], found["pixel_values"].flip(0))


@pytest.mark.parametrize("size", [(20_000, 10), (10, 20_000)])
def test_a_panorama(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    shown = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))]
    for name in ("exact", "no crop", "siglip"):
        expected, found = both(name, shown)
        # Sums over more than 32 pixels may be rounded to the next of 256 levels.
        torch.testing.assert_close(
            found["pixel_values"], expected["pixel_values"], atol=0.016, rtol=0
        )
    preparer = pixel_preparer(SimpleNamespace(image_processor=PROCESSORS["qwen3-vl"]), "cpu")
    assert preparer is not None
    with pytest.raises(ValueError, match="aspect ratio"):
        preparer(shown)


def test_tensors_are_pictures_too() -> None:
    shown = pictures()
    levels = [torch.from_numpy(np.array(picture)) for picture in shown]
    preparer = pixel_preparer(SimpleNamespace(image_processor=PROCESSORS["clip"]), "cpu")
    assert preparer is not None
    assert torch.equal(preparer(levels)["pixel_values"], preparer(shown)["pixel_values"])


def test_one_level_is_the_most_that_a_value_may_be_off() -> None:
    preparer = pixel_preparer(SimpleNamespace(image_processor=PROCESSORS["clip"]), "cpu")
    assert preparer is not None
    grey = [torch.full((9, 9, 3), level, dtype=torch.uint8) for level in (100, 101)]
    darker, lighter = preparer(grey)["pixel_values"]
    assert float((lighter - darker).max()) == pytest.approx(preparer.level, rel=1e-4)


class Another(CLIPImageProcessorPil):
    """Might do anything."""


@pytest.mark.parametrize(
    ("image_processor", "reason"),
    [
        (ViTImageProcessorPil(), "ViTImageProcessor is not known"),
        (Another(), "Another is not known"),
        (CLIPImageProcessorPil(do_resize=False), "does not resize"),
        (CLIPImageProcessorPil(do_rescale=False), "does not resize and rescale"),
        (CLIPImageProcessorPil(do_pad=True), "pads"),
        (CLIPImageProcessorPil(resample=0), "filter that is not known: 0"),
        (CLIPImageProcessorPil(do_center_crop=False), "one size"),
        (CLIPImageProcessorPil(size={"shortest_edge": 9, "longest_edge": 12}), "one size"),
        (Qwen2VLImageProcessorPil(size={"height": 28, "width": 28}), "size is"),
    ],
)
def test_what_is_not_known_is_left_alone_with_the_reason(image_processor: Any, reason: str) -> None:
    processor = SimpleNamespace(image_processor=image_processor)
    assert pixel_preparer(processor, "cpu") is None
    assert reason in why_not(processor)


@pytest.mark.parametrize("name", PROCESSORS)
def test_what_is_known_needs_no_reason(name: str) -> None:
    assert why_not(SimpleNamespace(image_processor=PROCESSORS[name])) == ""


def test_a_file_is_decoded_as_pillow_decodes_it() -> None:
    picture = pictures()[1]
    for kind in ("JPEG", "PNG"):
        file = BytesIO()
        picture.save(file, kind)
        expected = np.array(Image.open(BytesIO(file.getvalue())))
        np.testing.assert_array_equal(decode(file.getvalue()).numpy(), expected)
    with pytest.raises(DataError, match="not a picture"):
        decode(b"no picture")
