"""At which tokens of a prompt an activation is read: the last one, or all those of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

import torch

__all__ = ["PROMPT_POSITIONS", "PromptPosition", "Read", "over_image", "reads_at"]

PromptPosition: TypeAlias = Literal["last_prompt", "image_mean", "image_max"]
"""The last token of the prompt, or the mean or the largest value over the tokens of its pictures.
"""

PROMPT_POSITIONS: tuple[PromptPosition, ...] = get_args(PromptPosition)

Read: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""What a layer leaves, such as (B, T, W) -> one vector per record, (B, W)."""


def reads_at(
    positions: Sequence[PromptPosition], ids: torch.Tensor, last: torch.Tensor, image_token: int
) -> dict[PromptPosition, Read]:
    """Return what takes each position out of a layer's states (B, T, W).

    Parameters
    ----------
    positions
        Which of them.
    ids
        Token ids of the batch, shape (B, T).
    last
        Index of the last token of each row, shape (B,), on the device of ``ids``.
    image_token
        The token that stands for one piece of a picture.
    """
    rows = torch.arange(len(ids), device=ids.device)

    def at_last(hidden: torch.Tensor) -> torch.Tensor:
        return hidden[rows.to(hidden.device), last.to(hidden.device)]

    reads: dict[PromptPosition, Read] = {"last_prompt": at_last}
    if set(positions) - reads.keys():
        mean, largest = over_image(ids == image_token)
        reads |= {"image_mean": mean, "image_max": largest}
    return {position: reads[position] for position in positions}


def over_image(of_picture: torch.Tensor) -> tuple[Read, Read]:
    """Return what takes the mean and the maximum over a record's picture tokens, in float32.

    Parameters
    ----------
    of_picture
        Which tokens those are, shape (B, T); at least one in each row.
    """
    counts = of_picture.sum(dim=1, keepdim=True)
    most = int(counts.max())
    # Gathered, so that padding, however large its states are, never enters a sum.
    places = of_picture.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    rows = torch.arange(len(places), device=places.device)[:, None]
    beyond = (torch.arange(most, device=places.device) >= counts)[:, :, None]
    ragged = bool(beyond.any())

    def gathered(hidden: torch.Tensor, filler: float) -> torch.Tensor:
        there = hidden.device  # another one where a model lies on several
        found = hidden[rows.to(there), places.to(there)].float()
        return found.masked_fill(beyond.to(there), filler) if ragged else found

    return (
        lambda hidden: gathered(hidden, 0.0).sum(dim=1) / counts.to(hidden.device),
        lambda hidden: gathered(hidden, -torch.inf).amax(dim=1),
    )
