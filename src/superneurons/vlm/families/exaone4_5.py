"""EXAONE 4.5: a tower like Qwen2.5-VL's; layers see a window of the prompt, or all of it."""

from superneurons.vlm.family import Family
from superneurons.vlm.grids import grid_patches, grid_tokens

__all__ = ["FAMILIES"]

FAMILIES = (
    Family(
        name="EXAONE-4.5",
        model_types=("exaone4_5",),
        model_class="Exaone4_5_ForConditionalGeneration",
        vision=("model.visual",),
        projector=("model.visual.merger",),
        tower_count="depth",
        processor="Exaone4_5_Processor",
        picture_tokens=grid_tokens,
        picture_patches=grid_patches,
    ),
)
