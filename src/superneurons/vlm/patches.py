"""Average over the patches of pictures, so that a record with any of them is one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from superneurons.vlm.family import Family
from superneurons.vlm.taps import Kind

__all__ = ["equal_tiles", "leading_tokens", "patch_average", "patch_averages"]


def patch_averages(
    model: nn.Module,
    family: Family,
    tensors: Mapping[str, torch.Tensor],
    pictures: Sequence[int],
) -> dict[Kind, Callable[[torch.Tensor], torch.Tensor]]:
    """Return what averages over patches, for each kind of site that is read off the pictures.

    Parameters
    ----------
    model, family
        The model.
    tensors
        What its ``forward`` takes.
    pictures
        How many pictures each record has; where the tower sees them as tiles, all tiles of a record
        count alike.
    """
    patches = None if family.picture_patches is None else family.picture_patches(tensors)
    config = cast(Any, model).config
    tiles = pictures
    if family.record_tiles is not None:
        tiles = family.record_tiles(tensors, config, pictures)
    mask = None if family.patch_mask is None else family.patch_mask(tensors, config)
    leading = leading_tokens(model)
    tower = partial(patch_average, pictures=tiles, patches=patches, leading=leading, mask=mask)
    projector = partial(patch_average, pictures=tiles, patches=patches)
    if family.projected is not None:
        projector = partial(patch_average, pictures=pictures, patches=family.projected(tensors))
    return {"vision": tower, "projector": projector}


def patch_average(
    hidden: torch.Tensor,
    pictures: Sequence[int],
    patches: Sequence[int] | None,
    leading: int = 0,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Average over patches, then over the pictures of each record.

    Parameters
    ----------
    hidden
        Shape (pictures, patches, W), or (all patches, W) with ``patches`` to tell them apart. The
        patches of a picture may be rows and columns, (pictures, rows, columns, W).
    pictures
        How many pictures each of the B records has.
    patches
        Patches of each picture as the tower sees them; where ``hidden`` has fewer, several were
        merged into one, equally for all.
    leading
        Tokens before the patches that are none (a class token).
    mask
        Which of (pictures, patches) are there; all by default. Others count for nothing, whatever
        is in them.

    Returns
    -------
    torch.Tensor
        Shape (B, W), float32.
    """
    if mask is not None:
        there = hidden[:, leading:].float().masked_fill(~mask[:, :, None], 0)
        each = there.sum(dim=1) / mask.sum(dim=1, keepdim=True)
    elif patches is None:
        each = hidden.flatten(1, -2)[:, leading:].float().mean(dim=1)
    else:
        rows = hidden.reshape(-1, hidden.shape[-1])
        merged = sum(patches) // len(rows)
        parts = torch.split(rows, [count // merged for count in patches])
        each = torch.stack([part.float().mean(dim=0) for part in parts])
    of_records = torch.split(each, list(pictures))
    return torch.stack([part.mean(dim=0) for part in of_records])


def equal_tiles(tensors: Mapping[str, Any], config: Any, _pictures: Sequence[int]) -> list[int]:
    """Return the tiles of each record where every tile takes as many tokens.

    Parameters
    ----------
    tensors
        Model inputs: ``input_ids`` (B, T) int64, and ``pixel_values`` with one row per tile.
    config
        The model's: its ``image_token_id``.
    """
    tokens = (tensors["input_ids"] == config.image_token_id).sum(dim=1)
    each = int(tokens.sum()) // len(tensors["pixel_values"])
    return [int(count) // each for count in tokens]


def leading_tokens(model: nn.Module) -> int:
    """Tokens that the tower puts before the patches and that the projector doesn't get."""
    config = cast(Any, model).config
    return int(getattr(config, "vision_feature_select_strategy", None) == "default")
