"""The paper's score of every neuron from running counts: activations are seen once and let go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from superneurons.probes.arrays import check_finite
from superneurons.probes.scores import Metric, scores_from_counts, sign_counts

__all__ = ["SignCounts"]


@dataclass(frozen=True, slots=True)
class SignCounts:
    """On how many records each neuron fires, by their answer.

    Sums of whole numbers come out the same in any order and from any number of processes; so do the
    scores made of them.

    Parameters
    ----------
    true_positives, false_positives
        Shape (P,), int64: records with the positive answer, and the negative one, on which the
        neuron is above 0.
    n_positive, n_negative
        Records with either.

    Examples
    --------
    >>> X = np.array([[1.0, -1.0], [2.0, 3.0], [-1.0, 5.0], [-2.0, -4.0]])
    >>> y = np.array([True, True, False, False])
    >>> halves = [SignCounts.none(2).plus(X[:2], y[:2]), SignCounts.none(2).plus(X[2:], y[2:])]
    >>> (halves[0] + halves[1]).scores("accuracy").tolist()
    [1.0, 0.5]
    """

    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    n_positive: int
    n_negative: int

    @classmethod
    def none(cls, n_neurons: int) -> Self:
        """Return the counts of no records."""
        return cls(np.zeros(n_neurons, np.int64), np.zeros(n_neurons, np.int64), 0, 0)

    def plus(self, X: NDArray[np.floating], positive: NDArray[np.bool_]) -> Self:
        """Count some records in.

        Parameters
        ----------
        X
            Activations of shape (N, P).
        positive
            Shape (N,): which of them have the positive answer.

        Raises
        ------
        DataError
            When an activation is no finite number.
        """
        check_finite(X)
        fired = sign_counts(X, np.stack([positive, ~positive])).round().astype(np.int64)
        n = int(positive.sum())
        return self + type(self)(fired[0], fired[1], n, len(positive) - n)

    def __add__(self, other: Self) -> Self:
        """Add the counts of other records."""
        return self.from_array(self.as_array() + other.as_array())

    def as_array(self) -> NDArray[np.int64]:
        """Return all of it as one array of shape (2, P + 1), to be summed elementwise."""
        return np.stack(
            [
                np.append(self.true_positives, self.n_positive),
                np.append(self.false_positives, self.n_negative),
            ]
        )

    @classmethod
    def from_array(cls, counts: NDArray[np.int64]) -> Self:
        """Return the counts that :meth:`as_array` gave, or a sum of such."""
        return cls(counts[0, :-1], counts[1, :-1], int(counts[0, -1]), int(counts[1, -1]))

    def summed(self, over: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> Self:
        """Return the counts of all processes.

        Parameters
        ----------
        over
            Sums an array over them (:meth:`superneurons.scale.ranks.Rank.summed`).
        """
        return self.from_array(over(self.as_array()))

    def scores(self, metric: Metric = "accuracy") -> NDArray[np.float64]:
        """Return each neuron's score as a classifier of its own, shape (P,).

        As :func:`superneurons.probes.scores.neuron_scores`, exactly.
        """
        return scores_from_counts(
            self.true_positives.astype(np.float64),
            self.false_positives.astype(np.float64),
            self.n_positive,
            self.n_negative,
            metric,
        )
