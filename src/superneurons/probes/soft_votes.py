"""Each neuron's soft vote: how far, and to which side, its activation is from its own mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.probes.arrays import as_tensor

__all__ = ["SoftVotes"]

_COLUMNS_AT_ONCE = 4096
# A column whose spread is this small beside its size is constant but for rounding in float16.
_RELATIVE_SPREAD = 1e-4
# One over less would leave float32.
_LEAST_SPREAD = 1e-30


@dataclass(frozen=True)
class SoftVotes:
    """Activations of N samples and P neurons as standard scores, made block by block.

    Standard scores in float32 would take two to four times the memory of the activations, so they
    are only ever made for some columns at a time. Sums over all of them come from one pass each.

    Parameters
    ----------
    activations
        Shape (N, P), in whatever order.
    order
        Shape (N,), int64: samples are counted in this order. Sums are rounded by the order of
        their terms.
    mean, per_unit
        Shape (P,), float32: a vote is ``(activation - mean) * per_unit``. Constant neurons have
        ``per_unit`` 0 and no vote.
    """

    activations: torch.Tensor
    order: torch.Tensor
    mean: NDArray[np.float32]
    per_unit: NDArray[np.float32]

    @classmethod
    def of(cls, X: NDArray[Any], order: NDArray[np.int64] | None = None) -> Self:
        """Measure mean and spread of each neuron; labels play no part in it.

        Parameters
        ----------
        X
            Activations of shape (N, P).
        order
            Shape (N,): how the samples are to be counted; ``None``: as they are.
        """
        tensor = as_tensor(X)
        rows = torch.arange(len(tensor)) if order is None else torch.from_numpy(order)
        means, units = [], []
        for start in range(0, tensor.shape[1], _COLUMNS_AT_ONCE):
            block = tensor[:, start : start + _COLUMNS_AT_ONCE][rows].double()
            spread, mean = torch.std_mean(block, dim=0, correction=0)
            varies = spread > (_RELATIVE_SPREAD * block.abs().amax(dim=0)).clamp(min=_LEAST_SPREAD)
            units.append(torch.where(varies, 1 / spread, 0).float().numpy())
            means.append(mean.float().numpy())
        return cls(tensor, rows, np.concatenate(means), np.concatenate(units))

    def block(self, columns: slice | NDArray[np.int64], rows: Any = slice(None)) -> torch.Tensor:
        """Votes of some neurons, shape (rows, columns), float32."""
        chosen = torch.from_numpy(columns) if isinstance(columns, np.ndarray) else columns
        votes = self.activations[:, chosen][self.order[rows]].float()
        return (votes - torch.from_numpy(self.mean[columns])) * torch.from_numpy(
            self.per_unit[columns]
        )

    def first(self, n_neurons: int) -> Self:
        """Return the votes of the first neurons alone, without a copy."""
        return replace(
            self,
            activations=self.activations[:, :n_neurons],
            mean=self.mean[:n_neurons],
            per_unit=self.per_unit[:n_neurons],
        )

    def gram(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Inner products of samples over all neurons, shape (rows, rows)."""
        chosen, total = torch.from_numpy(rows), np.zeros((len(rows), len(rows)))
        for columns in self._slices():
            votes = self.block(columns, chosen)
            total += (votes @ votes.T).numpy()
        return total

    def weighted_sums(
        self, rows: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Sums of votes over samples, weighted in S ways: ``votes.T @ weights``, shape (P, S)."""
        chosen, factor = torch.from_numpy(rows), torch.from_numpy(weights.astype(np.float32))
        sums = [(self.block(columns, chosen).T @ factor).numpy() for columns in self._slices()]
        return np.concatenate(sums)

    def _slices(self) -> list[slice]:
        n_columns = self.activations.shape[1]
        return [
            slice(start, min(start + _COLUMNS_AT_ONCE, n_columns))
            for start in range(0, n_columns, _COLUMNS_AT_ONCE)
        ]
