"""Qwen2-VL and Qwen2.5-VL: native resolution, patches merged by four, positions in three axes.

Qwen2-VL calls its tower's width ``embed_dim``; its ``hidden_size`` is what the projector makes of
it. Qwen2.5-VL's tower sorts the patches of a picture into windows, of which most layers see one at
a time; those of each picture stay together.
"""

from dataclasses import replace

from superneurons.vlm.family import Family
from superneurons.vlm.grids import grid_patches, grid_tokens

__all__ = ["FAMILIES"]

_QWEN2 = Family(
    name="Qwen2-VL",
    model_types=("qwen2_vl",),
    model_class="Qwen2VLForConditionalGeneration",
    vision=("model.visual",),
    projector=("model.visual.merger",),
    tower_count="depth",
    tower_width="embed_dim",
    processor="Qwen2VLProcessor",
    picture_mark="<|vision_start|><|image_pad|><|vision_end|>",
    picture_tokens=grid_tokens,
    picture_patches=grid_patches,
)
FAMILIES = (
    _QWEN2,
    replace(
        _QWEN2,
        name="Qwen2.5-VL",
        model_types=("qwen2_5_vl",),
        model_class="Qwen2_5_VLForConditionalGeneration",
        tower_width="hidden_size",
        processor="Qwen2_5_VLProcessor",
    ),
)
