"""What the towers of all families share: a layer, and what a look at pictures gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import torch
from torch import nn
from torch.nn import functional as F

from superneurons.vlm.lean.decoder import Rope, rotate
from superneurons.vlm.lean.dense import Beside, Dense, LayerNorm

__all__ = ["Grid", "Projection", "Seen", "Tower", "TowerLayer"]

Grid = tuple[int, int]
"""Rows and columns of image tokens of one picture."""


@dataclass(frozen=True)
class Seen:
    """What the pictures of a batch gave.

    Parameters
    ----------
    layers
        For each tower layer that was asked for, by its number from 1: patches of all pictures,
        (pictures, patches, W) or (all patches, W).
    tokens
        Image tokens of all pictures in order, shape (n, D); ``None`` unless asked for.
    deep
        What is added to the image tokens after the first decoder layers, each (n, D).
    """

    layers: Mapping[int, torch.Tensor]
    tokens: torch.Tensor | None = None
    deep: Sequence[torch.Tensor] = field(default=())


class Tower(Protocol):
    """A vision tower with its projector."""

    def grids(self, tensors: Mapping[str, torch.Tensor]) -> tuple[Grid, ...]:
        """Rows and columns of patches of each picture, known to the host."""
        ...

    def tokens(self, grid: Grid) -> Grid:
        """Rows and columns of image tokens that a picture of so many patches becomes."""
        ...

    def see(
        self,
        tensors: Mapping[str, torch.Tensor],
        grids: tuple[Grid, ...],
        *,
        layers: Sequence[int] = (),
        project: bool = True,
        deep: int | None = None,
    ) -> Seen:
        """Look at the pictures: no layer runs that nothing is asked of.

        Parameters
        ----------
        tensors
            What the model's ``forward`` takes.
        grids
            From :meth:`grids`.
        layers
            Tower layers to return, from 1.
        project
            Whether image tokens are wanted.
        deep
            How many decoder layers get additions; all that there are by default.
        """
        ...


@dataclass(eq=False)
class TowerLayer:
    """One layer of a vision tower: every patch of a picture sees every other.

    ``rope`` turns queries and keys, in float32; towers with learned positions have none.
    """

    attention_norm: LayerNorm
    qkv: Beside
    out: Dense
    mlp_norm: LayerNorm
    up: Dense
    down: Dense
    act: Callable[[torch.Tensor], torch.Tensor]
    heads: int

    def __call__(self, x: torch.Tensor, rope: Rope | None = None) -> torch.Tensor:
        """Run the layer on patches, (P, n, W)."""
        parts = self.qkv(self.attention_norm(x))
        q, k, v = (torch.unflatten(part, -1, (self.heads, -1)).transpose(1, 2) for part in parts)
        if rope is not None:
            q, k = (rotate(part.float(), *rope).to(part.dtype) for part in (q, k))
        found = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(found)
        return x + self.down(self.act(self.up(self.mlp_norm(x))))


@dataclass(eq=False)
class Projection:
    """Two maps with a non-linearity between them."""

    up: Dense
    down: Dense
    act: Callable[[torch.Tensor], torch.Tensor]

    @classmethod
    def of(cls, first: nn.Module, second: nn.Module, act: nn.Module) -> Projection:
        """Share the weights of two linear layers."""
        return cls(Dense.of(first), Dense.of(second), cast(Any, act))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map (…, in) to (…, out)."""
        return self.down(self.act(self.up(x)))
