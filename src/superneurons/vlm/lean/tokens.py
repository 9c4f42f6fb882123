"""Pictures among words: where image tokens go, and which positions the decoder gives them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from superneurons.vlm.lean.tower import Grid

__all__ = ["Row", "begun", "merged", "rows_of", "three_axes"]


@dataclass(frozen=True)
class Row:
    """The tokens of a batch, each row starting at position 0.

    Parameters
    ----------
    ids
        Token ids, shape (B, T).
    last
        Index of each row's last token, shape (B,).
    images
        Which tokens stand for pictures, shape (B, T).
    """

    ids: torch.Tensor
    last: torch.Tensor
    images: torch.Tensor


def rows_of(ids: torch.Tensor, mask: torch.Tensor, image_token: int) -> Row:
    """Move each row's tokens to its beginning, on whichever side it was padded.

    Nothing here waits for the device: lengths stay there.

    Parameters
    ----------
    ids, mask
        Shape (B, T); the mask is 0 where a row is padded.
    image_token
        Id of the token that stands for a piece of a picture.
    """
    places = torch.arange(ids.shape[1], device=ids.device)
    last = mask.sum(dim=1) - 1
    end = (places * mask).argmax(dim=1)
    ids = ids.gather(1, (places + (end - last)[:, None]) % ids.shape[1])
    return Row(ids, last, (ids == image_token) & (places <= last[:, None]))


def begun(
    ids: torch.Tensor,
    mask: torch.Tensor,
    vectors: torch.Tensor,
    tokens: torch.Tensor,
    image_token: int,
) -> tuple[torch.Tensor, Row]:
    """Embed words and pictures, (B, T, D), from each row's first position on.

    Parameters
    ----------
    ids, mask, image_token
        As for :func:`rows_of`.
    vectors
        Of the words, shape (V, D).
    tokens
        Image tokens of all pictures in order, shape (n, D).
    """
    row = rows_of(ids, mask, image_token)
    return merged(F.embedding(row.ids, vectors), row.images, tokens), row


def merged(embedded: torch.Tensor, images: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Put image tokens (n, D) where ``images`` (B, T) says, in order, into (B, T, D)."""
    slot = (images.flatten().cumsum(0) - 1).clamp(min=0, max=len(tokens) - 1)
    found = tokens[slot].view_as(embedded).to(embedded.dtype)
    return torch.where(images[..., None], found, embedded)


def three_axes(images: torch.Tensor, grids: tuple[Grid, ...]) -> torch.Tensor:
    """Positions in time, height and width, as Qwen's decoders count them, shape (3, B, T).

    A word is one step on all axes. The tokens of a picture start where the words before it end:
    their time stands still, and the words after it go on after its longer side.

    Parameters
    ----------
    images
        Which tokens stand for pictures, shape (B, T).
    grids
        Rows and columns of tokens of each picture, in order.
    """
    total = sum(height * width for height, width in grids)
    slot = (images.flatten().cumsum(0) - 1).clamp(min=0, max=total - 1).view(images.shape)
    if len(set(grids)) == 1:  # a function of the device's own numbers, so that it can be recorded
        height, width = grids[0]
        within = slot % (height * width)
        row, column, side = within // width, within % width, torch.full_like(slot, max(grids[0]))
        first = within == 0
    else:
        row, column, side, first = _table(grids).to(images.device)[:, slot]
    steps = torch.where(images, side * first, 1).cumsum(dim=1)
    start = steps - torch.where(images, side, 1)
    return torch.stack([start, *(start + images * place for place in (row, column))])


def _table(grids: tuple[Grid, ...]) -> torch.Tensor:
    """For each image token its row, column, its picture's longer side, and if it is the first."""
    each = []
    for height, width in grids:
        within = torch.arange(height * width)
        side = torch.full_like(within, max(height, width))
        each.append(torch.stack([within // width, within % width, side, (within == 0).long()]))
    return torch.cat(each, dim=1)
