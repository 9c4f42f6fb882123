"""k nearest neighbours on one layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import Problem
from superneurons.probes.arrays import row_products
from superneurons.probes.layers import LayerReadOut

__all__ = ["NearestNeighbours"]

# More than rounding in float32 can add to the cosine of two vectors of thousands of values.
_ROUNDING = 1e-4


class NearestNeighbours(LayerReadOut):
    """The labels of the most similar samples; layer and k chosen by cross-validation.

    Similarity is the cosine of standard scores; of samples that are equally similar those count
    that come first in an order drawn from their values, whatever order they were given in. The
    fitted read-out holds one layer of the whole probing set, and is the largest of all.

    Parameters
    ----------
    layer_width : int or None
        Neurons per layer; ``None``: all columns are one layer.
    n_folds : int
        Folds of the cross-validation.
    random_state : int, RandomState or None
        Seed of the folds.

    Attributes
    ----------
    layer_, setting_, cv_score_
        See :class:`~superneurons.probes.layers.LayerReadOut`; the setting is k.
    examples_ : ndarray of shape (N, layer_width), float32
        Standard scores of the probing set, of unit length.
    example_codes_ : ndarray of shape (N,), int64
        Their classes, as indices into ``classes_``.
    """

    name: ClassVar[str] = "knn"
    _arrays: ClassVar[Mapping[str, str]] = {
        **LayerReadOut._arrays,
        "examples_": "float N K",
        "example_codes_": "int N",
    }

    examples_: NDArray[np.float32]
    example_codes_: NDArray[np.int64]

    def __init__(
        self, *, layer_width: int | None = None, n_folds: int = 3, random_state: Any = 0
    ) -> None:
        self.layer_width = layer_width
        self.n_folds = n_folds
        self.random_state = random_state

    def _settings(self, n: int) -> list[float]:
        return [k for k in (1, 5, 15, 45) if k <= max(1, n // 2)]

    def _answers(
        self,
        A: NDArray[np.float32],
        codes: NDArray[np.int64],
        B: NDArray[np.float32],
        settings: list[float],
    ) -> list[NDArray[np.int64]]:
        nearest = codes[_nearest(_unit(A), _unit(B))]
        n_classes = len(self.classes_)
        return [_shares(nearest, int(k), n_classes).argmax(axis=1) for k in settings]

    def _learn(self, A: NDArray[np.float32], codes: NDArray[np.int64]) -> None:
        self.examples_, self.example_codes_ = _unit(A), codes

    def _contradictions(self) -> list[Problem]:
        problems, n_classes = [], len(self.classes_)
        if self.example_codes_.min() < 0 or self.example_codes_.max() >= n_classes:
            problems.append(Problem("example_codes_", f"are not all below {n_classes}"))
        if self.setting_ not in range(1, len(self.examples_) + 1):
            what = f"{self.setting_} is no number of neighbours among {len(self.examples_)}"
            problems.append(Problem("setting_", what))
        return problems

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-odds of the neighbours' labels, shape (N,), or log-shares, shape (N, C).

        Half a neighbour is added to each class, so that none is impossible.

        Raises
        ------
        DataError
            Another number of columns than in ``fit``, NaN or infinity.
        """
        queries, k = _unit(self._scores(X)), int(self.setting_)
        nearest = self.example_codes_[_k_nearest(self.examples_, queries, k)]
        shares = np.log(_shares(nearest, k, len(self.classes_)))
        return np.asarray(shares[:, 1] - shares[:, 0] if shares.shape[1] == 2 else shares)


def _unit(A: NDArray[Any]) -> NDArray[Any]:
    lengths = np.linalg.norm(A, axis=1, keepdims=True)
    return np.asarray(A / np.maximum(lengths, np.finfo(np.float32).tiny))


def _nearest(examples: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices of examples by similarity, the nearest first; shape (queries, examples)."""
    return np.argsort(-(queries @ examples.T), axis=1, kind="stable")


def _k_nearest(
    examples: NDArray[np.float32], queries: NDArray[np.float64], k: int
) -> NDArray[np.int64]:
    """Indices of the k most similar examples, shape (queries, k); of equal ones the first.

    Those that may be among them are found in float32; which are is decided in float64, example by
    example, so that neither equal examples nor the size of the batch come down to rounding.
    """
    nearest = np.empty((len(queries), k), np.int64)
    for row, rough in enumerate(queries.astype(np.float32) @ examples.T):
        near = np.flatnonzero(rough >= np.partition(rough, -k)[-k] - _ROUNDING)
        exact = row_products(examples[near], queries[row][:, None])[:, 0]
        nearest[row] = near[np.argsort(-exact, kind="stable")[:k]]
    return nearest


def _shares(nearest: NDArray[np.int64], k: int, n_classes: int) -> NDArray[np.float64]:
    votes = (nearest[:, :k, None] == np.arange(n_classes)).sum(axis=1)
    return np.asarray((votes + 0.5) / (k + 0.5 * n_classes))
