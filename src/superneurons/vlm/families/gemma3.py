"""Gemma 3: every picture is one square, whose tokens see each other in both directions.

The attention mask depends on ``token_type_ids``; windows slide in five layers of six. Pan and scan
(crops of wide or tall pictures) is off: its processor does without unless it is asked each time.
"""

from superneurons.vlm.family import Family

__all__ = ["FAMILIES"]

FAMILIES = (
    Family(
        name="Gemma 3",
        model_types=("gemma3",),
        model_class="Gemma3ForConditionalGeneration",
        vision=("model.vision_tower",),
        projector=("model.multi_modal_projector",),
        resizable=False,
    ),
)
