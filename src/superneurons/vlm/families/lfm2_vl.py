"""LFM2-VL: a SigLIP 2 tower that takes pictures of any shape, and a decoder that mixes two kinds.

Most decoder layers are short convolutions, the others attention. The tower pads every picture to as
many patches; the projector runs once for each of them, so that there is no one place to read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch

from superneurons.vlm.assembled import assembled
from superneurons.vlm.family import Family

__all__ = ["FAMILIES"]


def _record_tiles(tensors: Mapping[str, Any], config: Any, _pictures: Sequence[int]) -> list[int]:
    """Tiles, in order, until they make up the record's tokens."""
    sides = tensors["spatial_shapes"] // config.downsample_factor
    ends = sides.prod(dim=1).cumsum(dim=0)
    tokens = (tensors["input_ids"] == config.image_token_id).sum(dim=1)
    before = torch.searchsorted(ends, tokens.cumsum(dim=0)) + 1
    return [int(count) for count in before.diff(prepend=before.new_zeros(1))]


def _patch_mask(tensors: Mapping[str, Any], _config: Any) -> torch.Tensor:
    return cast(torch.Tensor, tensors["pixel_attention_mask"].bool())


FAMILIES = (
    Family(
        name="LFM2-VL",
        model_types=("lfm2_vl",),
        model_class="Lfm2VlForConditionalGeneration",
        vision=("model.vision_tower",),
        projector=("model.multi_modal_projector",),
        norm_name="embedding_norm",
        processor=assembled(
            "Lfm2VlProcessor", "superneurons.vlm.lfm2_pictures:Lfm2VlImageProcessorPil"
        ),
        record_tiles=_record_tiles,
        patch_mask=_patch_mask,
        mlp_output="feed_forward.w2",
        lacks=("heads", "projector"),
        resizable=False,
    ),
)
