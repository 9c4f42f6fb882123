"""Pixtral and Mistral 3: pictures keep their shape, one row of tokens for each row of patches.

Both have a tower that sees the patches of all pictures in one row. Pixtral is a LLaVA with it
(``model_type`` ``llava``); in Mistral 3 the projector merges squares of patches. Mistral 4 is, by
its ``model_type``, a Mistral 3 whose language model has experts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from superneurons.vlm.family import Family
from superneurons.vlm.pixtral_processor import load_pixtral_processor

__all__ = ["FAMILIES"]


def _picture_patches(tensors: Mapping[str, Any]) -> list[int]:
    """Pixels, of which a patch has as many in all pictures."""
    return [int(size.prod()) for size in tensors["image_sizes"]]


_PIXTRAL = Family(
    name="Pixtral",
    model_types=("llava",),
    tower_types=("pixtral",),
    model_class="LlavaForConditionalGeneration",
    vision=("model.vision_tower",),
    projector=("model.multi_modal_projector",),
    processor=load_pixtral_processor,
    picture_patches=_picture_patches,
    tower_features="vision_feature_layer",
)
_MISTRAL3 = replace(
    _PIXTRAL,
    name="Mistral 3",
    model_types=("mistral3",),
    tower_types=(),
    model_class="Mistral3ForConditionalGeneration",
)
FAMILIES = (
    _PIXTRAL,
    _MISTRAL3,
    replace(_MISTRAL3, name="Mistral 4", text_types=("mistral4",), lacks=("mlp",)),
)
