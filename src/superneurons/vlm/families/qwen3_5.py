"""Qwen3.5: most decoder layers have linear attention, a state in place of keys and values.

Only every fourth layer has heads whose output could be read alike, so none are. Padding leaves
such a state as it was: its tokens are zeroed before each of these layers, on either side.
"""

from dataclasses import replace

from superneurons.vlm.family import Family
from superneurons.vlm.grids import grid_patches, grid_tokens

__all__ = ["FAMILIES"]

_DENSE = Family(
    name="Qwen3.5",
    model_types=("qwen3_5",),
    model_class="Qwen3_5ForConditionalGeneration",
    vision=("model.visual",),
    projector=("model.visual.merger",),
    tower_count="depth",
    processor="Qwen3VLProcessor",
    picture_mark="<|vision_start|><|image_pad|><|vision_end|>",
    picture_tokens=grid_tokens,
    picture_patches=grid_patches,
    lacks=("heads",),
)
FAMILIES = (
    _DENSE,
    replace(
        _DENSE,
        name="Qwen3.5-MoE",
        model_types=("qwen3_5_moe",),
        model_class="Qwen3_5MoeForConditionalGeneration",
        lacks=("mlp", "heads"),
    ),
)
