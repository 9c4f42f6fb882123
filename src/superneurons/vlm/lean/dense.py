"""Weights of a model as plain tensors, shared with it, in the layout that computes fastest.

Layers and what they consist of aren't frozen, though nothing changes them: compilers make them anew
of other tensors, and PyTorch 2.11 can't trace calls of frozen ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Beside", "Dense", "LayerNorm", "RMSNorm", "UnknownPartError"]


class UnknownPartError(TypeError):
    """A module isn't the plain one that the lean pass computes; the full pass still can."""


@dataclass(eq=False)
class Dense:
    """An affine map.

    Parameters
    ----------
    weight
        Shape (out, in).
    bias
        Shape (out,).
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """Share the weights of a linear layer.

        Raises
        ------
        UnknownPartError
            When it is anything but a plain linear layer: quantised, or with an adapter around it.
        """
        if type(module) is not nn.Linear or not module.weight.is_floating_point():
            raise UnknownPartError(
                f"{type(module).__name__} where a plain linear layer was expected"
            )
        return cls(module.weight.detach(), None if module.bias is None else module.bias.detach())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map (…, in) to (…, out)."""
        return F.linear(x, self.weight, self.bias)

    def rows(self, chosen: slice) -> Dense:
        """Return the map to some of its outputs, over the same memory."""
        return Dense(self.weight[chosen], None if self.bias is None else self.bias[chosen])

    def some(self, x: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Compute some of the outputs, by index."""
        return F.linear(x, self.weight[chosen], None if self.bias is None else self.bias[chosen])


@dataclass(eq=False)
class Beside:
    """Several maps of the same input, computed as one where their weights lie side by side.

    Parameters
    ----------
    parts
        Each map.
    packed
        All of them in one, over the same memory as the parts.
    """

    parts: tuple[Dense, ...]
    packed: Dense | None = None

    @classmethod
    @torch.no_grad()
    def of(cls, *modules: nn.Module) -> Self:
        """Share the weights of linear layers.

        On a GPU, where one large product is much faster than three small ones, the layers' weights
        are moved beside each other and the layers pointed there: no more memory, the same values.
        """
        parts = tuple(Dense.of(module) for module in modules)
        if parts[0].weight.device.type != "cuda" or len({p.bias is None for p in parts}) > 1:
            return cls(parts)
        weights, biases = ([getattr(p, name) for p in parts] for name in ("weight", "bias"))
        weight = _side_by_side(weights)
        bias = None if biases[0] is None else _side_by_side(biases)
        start = 0
        for module in modules:
            linear = cast(nn.Linear, module)
            rows = slice(start, start + len(linear.weight))
            linear.weight.data = weight[rows]
            if bias is not None:
                linear.bias.data = bias[rows]
            start = rows.stop
        return cls(tuple(Dense.of(module) for module in modules), Dense(weight, bias))

    @classmethod
    def split(cls, module: nn.Module, n: int) -> Self:
        """Share one linear layer that is ``n`` equal maps already."""
        whole = Dense.of(module)
        size = len(whole.weight) // n
        return cls(tuple(whole.rows(slice(i * size, (i + 1) * size)) for i in range(n)), whole)

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what each of the maps gives."""
        if self.packed is None:
            return tuple(part(x) for part in self.parts)
        return torch.split(self.packed(x), [len(part.weight) for part in self.parts], dim=-1)


@dataclass(eq=False)
class LayerNorm:
    """Normalisation to mean 0 and variance 1, then an affine map of each value."""

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """Share a layer norm's weights."""
        norm = cast(nn.LayerNorm, module)
        return cls(norm.weight.detach(), norm.bias.detach(), norm.eps)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise the last dimension."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(eq=False)
class RMSNorm:
    """Normalisation to mean square 1, then a factor for each value."""

    weight: torch.Tensor
    eps: float

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """Share an RMS norm's weight."""
        norm = cast(Any, module)
        return cls(norm.weight.detach(), float(norm.variance_epsilon))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise the last dimension."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def _side_by_side(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Join along the first dimension; without a copy where they lie there one after another."""
    first, places = tensors[0], [tensor.data_ptr() for tensor in tensors]
    ends = [tensor.data_ptr() + tensor.numel() * tensor.element_size() for tensor in tensors]
    of_one = len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == 1
    if of_one and places[1:] == ends[:-1] and all(tensor.is_contiguous() for tensor in tensors):
        rows = sum(len(tensor) for tensor in tensors)
        return first.as_strided((rows, *first.shape[1:]), first.stride())
    return torch.cat(tensors)
