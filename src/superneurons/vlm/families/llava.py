"""LLaVA-1.5: a CLIP-type tower, an MLP projector, one run of image tokens per picture."""

from superneurons.vlm.family import Family

__all__ = ["FAMILY"]

FAMILY = Family(
    name="LLaVA-1.5",
    model_types=("llava",),
    model_class="LlavaForConditionalGeneration",
    vision=("model.vision_tower",),
    projector=("model.multi_modal_projector",),
)
