"""FastVLM: a convolutional tower whose last map of features is the picture's row of tokens.

Checkpoints on the hub wrap a tower of ``timm``, which has to be installed to open them; towers of
``transformers`` itself need nothing. Layers of either are no sites.
"""

from superneurons.vlm.family import Family

__all__ = ["FAMILIES"]

FAMILIES = (
    Family(
        name="FastVLM",
        model_types=("fast_vlm",),
        model_class="FastVlmForConditionalGeneration",
        vision=("model.vision_tower",),
        projector=("model.multi_modal_projector",),
        tower_count=None,
        lacks=("vision",),
        resizable=False,
    ),
)
