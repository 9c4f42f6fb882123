"""What a read-out makes of its neurons, as a module that can stand in a graph."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superneurons.errors import DataError
from superneurons.probes.base import ReadOut
from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.super_neurons import SuperNeurons

__all__ = ["Votes", "votes_of"]

_LARGEST = 65504.0


class Votes(nn.Module):
    """Scores of C labels from activations (B, K); their softmax are the probabilities.

    Activations go through float16, as they do when they are kept: a graph then decides on the same
    numbers as the classifier.

    Parameters
    ----------
    weight
        Shape (K, C).
    intercept
        Shape (C,).
    signs
        Whether a neuron counts as ½ above 0 and as -½ else, instead of by its activation.
    """

    weight: torch.Tensor
    intercept: torch.Tensor

    def __init__(
        self, weight: NDArray[np.float64], intercept: NDArray[np.float64], *, signs: bool = False
    ) -> None:
        super().__init__()
        self.signs = signs
        self.register_buffer("weight", torch.from_numpy(weight).float())
        self.register_buffer("intercept", torch.from_numpy(intercept).float())

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        """Scores, shape (B, C), float32."""
        kept = activations.float().clamp(-_LARGEST, _LARGEST).half().float()
        if self.signs:
            kept = torch.where(kept > 0, 0.5, -0.5)
        return kept @ self.weight + self.intercept


def votes_of(read_out: ReadOut) -> Votes:
    """Return a fitted read-out's votes.

    Raises
    ------
    DataError
        When it isn't one of those that a graph of sums can stand for.
    """
    if isinstance(read_out, PaperSuperNeurons):
        n = len(read_out.neurons_)
        weight = np.full((n, 1), read_out.scale_ / n)
        majority = read_out.aggregation == "majority"
        return Votes(*_of_labels(weight, np.zeros(1)), signs=majority)
    if isinstance(read_out, SuperNeurons):
        return Votes(*_of_labels(read_out.coef_, read_out.intercept_))
    if isinstance(read_out, LogisticProbe):
        weight = read_out.coef_ * read_out.per_unit_.astype(np.float64)[:, None]
        return Votes(*_of_labels(weight, read_out.intercept_ - read_out.mean_ @ weight))
    raise DataError(
        f"The read-out {read_out.name!r} compares with examples or centroids; no graph is written "
        "for that.",
        where="read_out",
        mend="Fit with super-neurons, paper or logistic.",
    )


def _of_labels(
    weight: NDArray[np.float64], intercept: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if weight.shape[1] > 1:
        # What all labels gain alike decides nothing, and can be large enough to lose the rest in.
        return weight - weight.mean(axis=1, keepdims=True), intercept - intercept.mean()
    halves = np.array([-0.5, 0.5])
    return weight * halves, intercept * halves
