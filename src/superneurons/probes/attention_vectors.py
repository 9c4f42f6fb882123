"""Sparse Attention Vectors: few attention heads, each a nearest-centroid classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from superneurons.errors import DataError, Problem
from superneurons.probes.arrays import check_query, check_training, row_products
from superneurons.probes.fitted import FittedReadOut, require_ranges
from superneurons.probes.splits import canonical_order
from superneurons.probes.states import is_whole

__all__ = ["SparseAttentionVectors"]

# Cosines lie within 2 of each other; CALM (arXiv 2602.07077) softens them by this.
_TEMPERATURE = 0.07


class SparseAttentionVectors(FittedReadOut):
    """SAVs: the heads whose class centroids tell the probing set apart best, and their votes.

    Columns of ``X`` are attention heads of ``head_dim`` values each, one after the other: the
    input of the output projection, in whatever number of heads the *queries* have. ``head_dim``
    is the model's own; it isn't always the hidden size over the number of heads.

    Per head and class the centroid is the mean of the probing vectors, and a vector belongs to
    the class of the centroid with the largest cosine. The ``n_heads`` heads with the most hits on
    the probing set vote, and the class with the most votes wins.

    Parameters
    ----------
    head_dim : int or None
        Values per head; ``None``: all columns are one head.
    n_heads : int
        Heads kept.
    leave_one_out : bool
        False, as published: a sample is scored with centroids it is part of, which flatters
        heads of many dimensions. True: without itself, at no extra cost; heads with equal hits
        are then ranked by the mean margin.
    soft : bool
        False, as published: a head votes for one class; where votes are equal the class wins
        that the better head voted for. True: heads share out their vote by softened cosines.

    Attributes
    ----------
    heads_ : ndarray of shape (n_heads,), int64
        Heads kept, the best first, counted from the first column.
    hits_ : ndarray of shape (n_heads,), int64
        How many probing samples each got right.
    centroids_ : ndarray of shape (n_heads, C, head_dim), float64

    Notes
    -----
    Mitra et al., "Enhancing Few-Shot Vision-Language Classification with Large Multimodal Model
    Features" (arXiv 2412.00142). Ties among heads fall as in the published code, by NumPy's default
    sort, which may rank them otherwise on another processor. Where two cosines of a head are equal
    the first class wins: here of the sorted ones, there of the order in which they first appear.
    Means and cosines are computed in float64, there in the model's own precision.
    """

    name: ClassVar[str] = "savs"
    _arrays: ClassVar[Mapping[str, str]] = {
        "heads_": "int H",
        "hits_": "int H",
        "centroids_": "float H C W",
        "places_": "int H",
    }

    heads_: NDArray[np.int64]
    hits_: NDArray[np.int64]
    centroids_: NDArray[np.float64]
    places_: NDArray[np.int64]

    def __init__(
        self,
        *,
        head_dim: int | None = None,
        n_heads: int = 20,
        leave_one_out: bool = False,
        soft: bool = False,
    ) -> None:
        self.head_dim = head_dim
        self.n_heads = n_heads
        self.leave_one_out = leave_one_out
        self.soft = soft

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Find the heads.

        Parameters
        ----------
        X
            Head outputs of shape (N, H * head_dim).
        y
            Labels of shape (N,).
        groups
            Not needed: nothing is split.

        Raises
        ------
        DataError
            NaN or infinity, one class only, columns that aren't whole heads, a class with a single
            sample when leaving one out, a parameter out of range.
        """
        self._check_parameters()
        X, codes = check_training(self, X, y, groups)
        width = self.head_dim or X.shape[1]
        if X.shape[1] % width:
            raise DataError(
                f"{X.shape[1]} columns aren't whole heads of {width}.",
                mend="Give the head_dim of the model's configuration.",
            )
        counts = np.bincount(codes)
        if self.leave_one_out and counts.min() < 2:
            raise DataError(
                f"Class {str(self.classes_[counts.argmin()])!r} has a single sample: none is left "
                "for its centroid when that one is left out.",
                mend="Give at least two samples of each class, or leave_one_out=False.",
            )
        order, n_all = canonical_order(X, codes), X.shape[1] // width
        heads = (X[order, h * width : (h + 1) * width].astype(np.float64) for h in range(n_all))
        results = [self._score_head(vectors, codes[order], counts) for vectors in heads]
        hits = np.array([result[0] for result in results])
        ranking = np.argsort(hits)
        if self.leave_one_out:
            ranking = np.lexsort((np.array([result[1] for result in results]), hits))
        self.heads_ = ranking[-self.n_heads :][::-1]
        self.hits_ = hits[self.heads_]
        self.centroids_ = np.stack([results[h][2] for h in self.heads_])
        self.places_ = np.argsort(np.argsort(self.heads_))
        self.neurons_ = (np.sort(self.heads_)[:, None] * width + np.arange(width)).ravel()
        return self

    def _check_parameters(self) -> None:
        width, loo, soft = self.head_dim, self.leave_one_out, self.soft
        require_ranges(
            ("head_dim", width, width is None or is_whole(width, 1), "None or at least 1"),
            ("n_heads", self.n_heads, is_whole(self.n_heads, 1), "at least 1"),
            ("leave_one_out", loo, isinstance(loo, (bool, np.bool_)), "True or False"),
            ("soft", soft, isinstance(soft, (bool, np.bool_)), "True or False"),
        )

    def _contradictions(self) -> list[Problem]:
        n_heads, _, width = self.centroids_.shape
        problems = []
        if sorted(self.places_.tolist()) != list(range(n_heads)):
            problems.append(Problem("places_", f"are not those of {n_heads} heads"))
        if len(self.neurons_) != n_heads * width:
            what = f"{len(self.neurons_)} columns for {n_heads} heads of {width}"
            problems.append(Problem("neurons_", what))
        return problems

    def _score_head(
        self, vectors: NDArray[np.float64], codes: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> tuple[int, float, NDArray[np.float64]]:
        """Hits, mean margin of the right class, and centroids of one head."""
        truth = np.eye(len(counts))[codes]
        centroids = truth.T @ vectors / counts[:, None]
        cosines = _cosines(vectors, centroids)
        rows = np.arange(len(codes))
        if self.leave_one_out:
            n = counts[codes, None]
            own = (n * centroids[codes] - vectors) / (n - 1)
            cosines[rows, codes] = np.sum(_unit(own) * _unit(vectors), axis=1)
        rest = np.where(truth == 1, -np.inf, cosines).max(axis=1)
        hits = int(np.sum(cosines.argmax(axis=1) == codes))
        return hits, float(np.mean(cosines[rows, codes] - rest)), centroids

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Votes for the second class less those for the first, (N,), or votes, (N, C): shares.

        Raises
        ------
        DataError
            Another number of columns than in ``fit``, NaN or infinity.
        """
        votes = self._votes(X)
        return np.asarray(votes[:, 1] - votes[:, 0] if votes.shape[1] == 2 else votes)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Shares of the votes, shape (N, C); uncalibrated."""
        votes = self._votes(X)
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def _votes(self, X: Any) -> NDArray[np.float64]:
        columns = check_query(self, X).astype(np.float64)
        n_heads, n_classes, width = self.centroids_.shape
        blocks = columns.reshape(len(columns), n_heads, width)[:, self.places_]
        cosines = np.stack(
            [_cosines(blocks[:, h], self.centroids_[h]) for h in range(n_heads)], axis=1
        )
        if self.soft:
            return np.asarray(softmax(cosines / _TEMPERATURE, axis=2).mean(axis=1))
        ballots = cosines.argmax(axis=2)[..., None] == np.arange(n_classes)
        # Less than half a vote, and more the earlier the class got its first one: breaks ties only.
        first = np.where(ballots.any(axis=1), ballots.argmax(axis=1), n_heads)
        return np.asarray((ballots.sum(axis=1) + (n_heads - first) / (2.1 * n_heads)) / n_heads)

    def __sklearn_tags__(self) -> Any:
        """Say that cosines know directions only, which can do badly on arbitrary columns."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float64).tiny))


def _cosines(vectors: NDArray[np.float64], centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    return row_products(_unit(vectors), _unit(centroids).T)
