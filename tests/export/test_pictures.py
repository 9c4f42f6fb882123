"""Recipes for pictures give the pixels of the processor they describe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessorPil, Qwen2VLImageProcessorPil

from superneurons.export.pictures import prepare, recipe

SIZES = [(64, 48), (31, 97), (24, 24), (200, 25)]


class Processor:
    def __init__(self, image_processor: Any) -> None:
        self.image_processor = image_processor


def picture(size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(size[0])
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24}},
        {"size": {"height": 20, "width": 28}, "do_center_crop": False},
        {"size": {"height": 24, "width": 24}, "do_center_crop": False, "do_normalize": False},
        {"size": {"height": 24, "width": 24}, "do_center_crop": False, "resample": 2},
    ],
)
@pytest.mark.parametrize("size", SIZES)
def test_it_gives_the_processors_pixels(settings: dict[str, Any], size: tuple[int, int]) -> None:
    made = CLIPImageProcessorPil(**settings)
    how = recipe(Processor(made))
    assert how is not None
    expected = made(images=[picture(size)], return_tensors="np")["pixel_values"]
    found = prepare(picture(size), how)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_grey_and_turned_pictures_are_brought_into_form() -> None:
    how = recipe(
        Processor(CLIPImageProcessorPil(do_center_crop=False, size={"height": 8, "width": 8}))
    )
    assert how is not None
    assert prepare(Image.new("L", (9, 5)), how).shape == (1, 3, 8, 8)
    turned = picture((40, 20))
    turned.getexif()[274] = 3
    upright = turned.transpose(Image.Transpose.ROTATE_180)
    upright.getexif().clear()
    np.testing.assert_array_equal(prepare(turned, how), prepare(upright, how))


def test_more_than_that_has_no_recipe() -> None:
    made = Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280})
    how = recipe(Processor(made))
    assert how is None or "longest_edge" not in how
    assert recipe(Processor(CLIPImageProcessorPil(do_rescale=False))) is None
