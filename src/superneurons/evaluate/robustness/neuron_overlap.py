"""How many neurons two sets share, and how many they would by chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hypergeom

from superneurons.errors import DataError

__all__ = ["NeuronOverlap", "neuron_overlap"]

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class NeuronOverlap:
    """Two sets of neurons.

    Parameters
    ----------
    first, second, shared
        How many neurons each has, and both have.
    jaccard
        Shared neurons as a share of those that either has; 0 where neither has any.
    chance, chance_95
        Mean and 95th percentile of the same by chance.
    p_value
        Probability that chance shares at least as many.
    """

    first: int
    second: int
    shared: int
    jaccard: float
    chance: float
    chance_95: float
    p_value: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def neuron_overlap(first: ArrayLike, second: ArrayLike, *, width: int) -> NeuronOverlap:
    """Compare two sets of neurons with as many drawn at random *from the same layers*.

    Sets that sit in the same layers share more neurons than sets drawn from anywhere; that both
    tasks are answered in the middle of the model is no news about neurons. So within each layer
    each set keeps its number of neurons, and only which they are is left to chance: the shared ones
    are a sum of independent hypergeometric numbers, whose distribution is computed exactly.

    Parameters
    ----------
    first, second
        Columns of the flat activations: ``(layer - 1) * width + index``.
    width
        Neurons of a layer.

    Raises
    ------
    DataError
        A column twice in a set, or below 0.

    Examples
    --------
    >>> found = neuron_overlap([0, 1, 12], [1, 12, 13], width=10)
    >>> found.shared, found.jaccard, round(found.chance, 2)
    (2, 0.5, 0.08)
    """
    a, b = (np.asarray(columns, dtype=np.int64).ravel() for columns in (first, second))
    for columns in (a, b):
        if len(np.unique(columns)) < len(columns) or (len(columns) and columns.min() < 0):
            raise DataError(
                "A set of neurons has a column twice, or one below 0.",
                mend="Give columns of the flat activations, each once.",
            )
    shared, total = len(np.intersect1d(a, b)), len(a) + len(b)
    odds = _odds(a // width, b // width, width)
    counts = np.arange(len(odds))
    shares = counts / np.maximum(total - counts, 1)
    reach = int(np.searchsorted(np.cumsum(odds), _LEVEL - 1e-12))
    return NeuronOverlap(
        len(a), len(b), shared, shared / max(1, total - shared), float(odds @ shares),
        float(shares[min(reach, len(shares) - 1)]), min(1.0, float(odds[shared:].sum())),
    )  # fmt: skip


def _odds(a: NDArray[np.int64], b: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """Probability of each number of shared neurons, given the layers of each set's."""
    odds = np.ones(1)
    for layer in np.intersect1d(a, b):
        n_a, n_b = int(np.sum(a == layer)), int(np.sum(b == layer))
        shared = np.arange(min(n_a, n_b) + 1)
        odds = np.convolve(odds, hypergeom.pmf(shared, width, n_a, n_b))
    return np.asarray(odds)
