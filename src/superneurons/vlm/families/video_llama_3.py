"""VideoLLaMA3: native resolution, patches averaged by as many as the image processor says."""

from superneurons.vlm.family import Family
from superneurons.vlm.grids import grid_patches, grid_tokens

__all__ = ["FAMILIES"]

FAMILIES = (
    Family(
        name="VideoLLaMA3",
        model_types=("video_llama_3",),
        model_class="VideoLlama3ForConditionalGeneration",
        vision=("model.vision_model",),
        projector=("model.projector",),
        processor="VideoLlama3Processor",
        picture_tokens=grid_tokens,
        picture_patches=grid_patches,
    ),
)
