"""Qwen3-VL: native resolution, and vision features added again after early layers (DeepStack).

DeepStack adds to the image positions only, after the layer; the residual stream at the last prompt
position is what the layer returned.
"""

from dataclasses import replace

from superneurons.vlm.family import Family
from superneurons.vlm.grids import grid_patches, grid_tokens
from superneurons.vlm.lean.qwen3_vl import Qwen3VLTower

__all__ = ["FAMILIES"]

_DENSE = Family(
    name="Qwen3-VL",
    model_types=("qwen3_vl",),
    model_class="Qwen3VLForConditionalGeneration",
    vision=("model.visual",),
    projector=("model.visual.merger",),
    tower_count="depth",
    processor="Qwen3VLProcessor",
    picture_mark="<|vision_start|><|image_pad|><|vision_end|>",
    picture_tokens=grid_tokens,
    picture_patches=grid_patches,
    lean_tower=Qwen3VLTower.of,
)
FAMILIES = (
    _DENSE,
    replace(
        _DENSE,
        name="Qwen3-VL-MoE",
        model_types=("qwen3_vl_moe",),
        model_class="Qwen3VLMoeForConditionalGeneration",
        lacks=("mlp",),
        lean_tower=None,
    ),
)
