"""LLaVA-NeXT and LLaVA-OneVision: a picture is seen whole, and once more in tiles that fit it best.

What the tiles gave is put together again, and cut to the picture's shape, after the projector: the
sites ``vision`` and ``projector`` average over all patches of all tiles, the padding around a
picture among them. LLaVA-OneVision sees the pictures of a record with several of them whole only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from superneurons.vlm.family import Family

__all__ = ["FAMILIES"]


def _record_tiles(tensors: Mapping[str, Any], config: Any, pictures: Sequence[int]) -> list[int]:
    from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

    grids, side = config.image_grid_pinpoints, config.vision_config.image_size
    sizes = iter(tensors["image_sizes"].tolist())
    tiles = []
    for count in pictures:
        of_record = [image_size_to_num_patches(next(sizes), grids, side) for _ in range(count)]
        whole_only = count > 1 and "batch_num_images" in tensors
        tiles.append(count if whole_only else sum(of_record))
    return tiles


_NEXT = Family(
    name="LLaVA-NeXT",
    model_types=("llava_next",),
    model_class="LlavaNextForConditionalGeneration",
    vision=("model.vision_tower",),
    projector=("model.multi_modal_projector",),
    record_tiles=_record_tiles,
    tower_features="vision_feature_layer",
    resizable=False,
)
FAMILIES = (
    _NEXT,
    replace(
        _NEXT,
        name="LLaVA-OneVision",
        model_types=("llava_onevision",),
        model_class="LlavaOnevisionForConditionalGeneration",
        processor="LlavaOnevisionProcessor",
    ),
)
