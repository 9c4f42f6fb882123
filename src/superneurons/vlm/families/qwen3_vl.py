"""Qwen3-VL: native resolution, and vision features added again after early layers (DeepStack).

DeepStack adds to the image positions only, after the layer; the residual stream at the last prompt
position is what the layer returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from superneurons.vlm.family import Family
from superneurons.vlm.lean.qwen3_vl import Qwen3VLTower

__all__ = ["FAMILY"]


def _picture_tokens(pixels: Mapping[str, Any], number: int, image_processor: Any) -> int:
    patches = int(pixels["image_grid_thw"][number].prod())
    return patches // int(image_processor.merge_size) ** 2


def _picture_patches(tensors: Mapping[str, Any]) -> list[int]:
    return [int(grid.prod()) for grid in tensors["image_grid_thw"]]


FAMILY = Family(
    name="Qwen3-VL",
    model_types=("qwen3_vl",),
    model_class="Qwen3VLForConditionalGeneration",
    vision=("model.visual",),
    projector=("model.visual.merger",),
    tower_count="depth",
    picture_tokens=_picture_tokens,
    picture_patches=_picture_patches,
    lean_tower=Qwen3VLTower.of,
)
