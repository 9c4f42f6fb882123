"""LLaVA-1.5: a CLIP-type tower, an MLP projector, one run of image tokens per picture."""

from superneurons.vlm.family import Family
from superneurons.vlm.lean.clip import ClipTower

__all__ = ["FAMILIES"]

FAMILIES = (
    Family(
        name="LLaVA-1.5",
        model_types=("llava",),
        model_class="LlavaForConditionalGeneration",
        vision=("model.vision_tower",),
        projector=("model.multi_modal_projector",),
        tower_features="vision_feature_layer",
        lean_tower=ClipTower.of,
    ),
)
