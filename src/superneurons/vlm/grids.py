"""Pictures as grids of patches, each at a size of its own, all patches in one row.

What image processors of the Qwen-VL kind return says how large each grid is: ``image_grid_thw``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["grid_patches", "grid_tokens"]


def grid_patches(tensors: Mapping[str, Any]) -> list[int]:
    """Return how many patches each picture has.

    Parameters
    ----------
    tensors
        Model inputs with ``image_grid_thw``, shape (N, 3) int64: frames, rows and columns.
    """
    return [int(grid.prod()) for grid in tensors["image_grid_thw"]]


def grid_tokens(pixels: Mapping[str, Any], number: int, image_processor: Any) -> int:
    """Return how many placeholder tokens a picture takes: squares of patches become one.

    Parameters
    ----------
    pixels
        What the image processor returned: ``image_grid_thw`` as in :func:`grid_patches`.
    number
        Which picture.
    image_processor
        Its ``merge_size`` is the side of those squares.
    """
    return grid_patches(pixels)[number] // int(image_processor.merge_size) ** 2
