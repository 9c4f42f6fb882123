from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from superneurons.vlm.grids import grid_patches, grid_tokens
from tiny_models import qwen_pictures


def test_each_picture_has_the_patches_of_its_grid() -> None:
    assert grid_patches({"image_grid_thw": torch.tensor([[1, 4, 6], [2, 2, 2]])}) == [24, 8]


@pytest.mark.parametrize("merge", [1, 2])
def test_squares_of_patches_become_one_token(merge: int) -> None:
    pixels = {"image_grid_thw": torch.tensor([[1, 4, 6], [1, 2, 2]])}
    counts = [grid_tokens(pixels, i, SimpleNamespace(merge_size=merge)) for i in range(2)]
    assert counts == [24 // merge**2, 4 // merge**2]


def test_the_patches_are_those_that_an_image_processor_makes() -> None:
    sizes = ((16, 32), (32, 16), (20, 20))
    pictures = [Image.fromarray(np.zeros((*size, 3), np.uint8)) for size in sizes]
    made = qwen_pictures()(images=pictures, return_tensors="pt")
    counts = grid_patches(made)
    assert sum(counts) == len(made["pixel_values"])
    assert len(set(counts)) > 1
