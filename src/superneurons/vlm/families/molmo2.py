"""Molmo2: a small view of every picture and its overlapping crops, pooled into rows of tokens.

All tokens of pictures see each other (``mm_token_type_ids``). The tower sees views and crops as
tiles; what is pooled from them has all pictures in one row. It ends at the last layer that is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from superneurons.vlm.family import Family
from superneurons.vlm.molmo2_processor import load_molmo2_processor

__all__ = ["FAMILIES"]


def _record_tiles(tensors: Mapping[str, Any], _: Any, pictures: Sequence[int]) -> list[int]:
    crops = torch.split(tensors["image_num_crops"], list(pictures))
    return [int(numbers.sum()) for numbers in crops]


def _projected(tensors: Mapping[str, Any]) -> list[int]:
    grids = tensors["image_grids"]
    return [int(n) for n in grids[:, 0] * grids[:, 1] + grids[:, 2] * grids[:, 3]]


FAMILIES = (
    Family(
        name="Molmo2",
        model_types=("molmo2",),
        model_class="Molmo2ForConditionalGeneration",
        vision=("model.vision_tower",),
        projector=("model.multi_modal_projector", "model.multi_modal_projector.image_projector"),
        stored_as=(
            ("vision_backbone.image_vit.transformer.resblocks.", "vision_tower.layers."),
            ("transformer.blocks.", "language_model.layers."),
            ("transformer.ln_f.", "language_model.norm."),
        ),
        processor=load_molmo2_processor,
        record_tiles=_record_tiles,
        projected=_projected,
        resizable=False,
    ),
)
