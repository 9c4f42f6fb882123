"""LLaVA-1.5 and ViP-LLaVA: a CLIP-type tower, an MLP projector, a run of tokens per picture.

Checkpoints of LLaVA's type may have a SigLIP tower, which has no class token. ViP-LLaVA's projector
reads several layers of the tower; its site ``vision`` averages over the class token too.
"""

from dataclasses import replace

from superneurons.vlm.family import Family
from superneurons.vlm.lean.clip import ClipTower

__all__ = ["FAMILIES"]

_LLAVA = Family(
    name="LLaVA-1.5",
    model_types=("llava",),
    model_class="LlavaForConditionalGeneration",
    vision=("model.vision_tower",),
    projector=("model.multi_modal_projector",),
    tower_features="vision_feature_layer",
    lean_tower=ClipTower.of,
)
FAMILIES = (
    _LLAVA,
    replace(
        _LLAVA,
        name="ViP-LLaVA",
        model_types=("vipllava",),
        model_class="VipLlavaForConditionalGeneration",
        tower_features="vision_feature_layers",
        lean_tower=None,
    ),
)
