"""Aya Vision: a picture is seen as up to twelve squares and the whole, each of as many tokens.

The text names every square by its number before its tokens, and pictures are marked by a token that
isn't one of the model's own.
"""

from superneurons.vlm.family import Family
from superneurons.vlm.patches import equal_tiles

__all__ = ["FAMILIES"]

FAMILIES = (
    Family(
        name="Aya Vision",
        model_types=("aya_vision",),
        model_class="AyaVisionForConditionalGeneration",
        vision=("model.vision_tower",),
        projector=("model.multi_modal_projector",),
        record_tiles=equal_tiles,
        tower_features="vision_feature_layer",
        resizable=False,
    ),
)
