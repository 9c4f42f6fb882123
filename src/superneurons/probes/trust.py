"""How far to trust each neuron before it is weighed: by the neighbourhood it is in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["standardised", "trust"]

_NEIGHBOURHOOD = 512
_LEAST_TRUST = 1e-6


def standardised(Y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of samples, shape (N, T), whose sums of votes are correlations with the targets."""
    spread = np.maximum(Y.std(axis=0), np.finfo(np.float64).tiny)
    return np.asarray((Y - Y.mean(axis=0)) / (spread * len(Y)))


def trust(squared_correlations: NDArray[np.floating[Any]], n: int) -> NDArray[np.float64]:
    """How far to trust each neuron, shape (P,): by its neighbourhood, 1 for the best one.

    Whole layers know the answer or don't, and neighbouring columns are mostly of one layer. The
    mean squared correlation of a neighbourhood, less the 1 / n of chance, is the prior variance
    of its weights.

    Parameters
    ----------
    squared_correlations
        Of each neuron's votes with the answer, shape (P,).
    n
        Samples they were measured on.
    """
    sums = np.concatenate([[0.0], np.cumsum(squared_correlations, dtype=np.float64)])
    centre = np.arange(len(squared_correlations))
    low = np.maximum(centre - _NEIGHBOURHOOD // 2, 0)
    high = np.minimum(centre + _NEIGHBOURHOOD // 2, len(centre))
    variance = np.maximum((sums[high] - sums[low]) / (high - low) - 1 / n, 0) + _LEAST_TRUST
    return np.asarray(np.sqrt(variance / variance.max()))
