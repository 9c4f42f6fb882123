"""InternVL (2.5, 3, 3.5) in the layout of ``transformers``: checkpoints that end in ``-hf``.

A picture is seen as up to twelve squares and the whole, one after the other; every one of them
becomes as many tokens. The tower is never cut where the projector runs: it takes the last state for
``vision_feature_layer`` -1, and others by their number from the end. Where the language model has
experts (Qwen3-MoE, GPT-OSS), they take turns.
"""

from __future__ import annotations

from dataclasses import replace

from superneurons.vlm.family import Family
from superneurons.vlm.patches import equal_tiles

__all__ = ["FAMILIES"]


_DENSE = Family(
    name="InternVL",
    model_types=("internvl",),
    model_class="InternVLForConditionalGeneration",
    vision=("model.vision_tower",),
    projector=("model.multi_modal_projector",),
    processor="InternVLProcessor",
    record_tiles=equal_tiles,
    resizable=False,
)
FAMILIES = (
    _DENSE,
    replace(_DENSE, name="InternVL-MoE", text_types=("gpt_oss", "qwen3_moe"), lacks=("mlp",)),
)
