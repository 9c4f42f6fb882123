"""How well each site answers at each depth, on the same folds, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from superneurons.probes.depth import depth_answers
from superneurons.probes.ridge import targets
from superneurons.probes.soft_votes import SoftVotes
from superneurons.probes.splits import canonical_order, folds

__all__ = ["Accuracies", "DepthTrial"]


@dataclass(frozen=True)
class Accuracies:
    """Balanced accuracies of P ways to answer the same N samples.

    Parameters
    ----------
    values
        Shape (P,), float64.
    deviations
        What each of G groups adds to each value's deviation from its mean, shape (P, G): their
        squares add up to its sampling variance, and those of a difference to that of two ways.
    floor
        Shape (P,): no standard error is less. What all answer rightly is known no better than by
        their number.
    """

    values: NDArray[np.float64]
    deviations: NDArray[np.float64]
    floor: NDArray[np.float64]

    @classmethod
    def of(
        cls, right: NDArray[np.bool_], codes: NDArray[np.int64], groups: NDArray[np.int64]
    ) -> Self:
        """Score answers.

        Parameters
        ----------
        right
            Whether each way answered each sample rightly, shape (P, N).
        codes, groups
            Class and group of each sample, shape (N,).
        """
        classes, of_class = np.unique(codes, return_inverse=True)
        share = np.eye(len(classes))[of_class]
        counts = share.sum(axis=0)
        recalls = (right @ share) / counts
        each = (right - recalls[:, of_class]) / (counts[of_class] * len(classes))
        _, of_group = np.unique(groups, return_inverse=True)
        member = np.eye(int(of_group.max()) + 1)[of_group]
        smoothed = (recalls * counts + 1) / (counts + 2)
        variance = (smoothed * (1 - smoothed) / (counts + 2)).sum(axis=1)
        return cls(recalls.mean(axis=1), each @ member, np.sqrt(variance) / len(classes))

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard errors, shape (P,): over groups, which are what was drawn."""
        return np.maximum(self._spread(self.deviations), self.floor)

    def errors_behind(self, best: int) -> NDArray[np.float64]:
        """Standard errors of the differences from one of the ways, shape (P,), by pairs."""
        return self._spread(self.deviations - self.deviations[best])

    def _spread(self, deviations: NDArray[np.float64]) -> NDArray[np.float64]:
        n = deviations.shape[1]
        return np.asarray(np.sqrt((deviations**2).sum(axis=1) * n / max(n - 1, 1)))


@dataclass(frozen=True)
class DepthTrial:
    """Samples, dealt out to folds, that any site of theirs can be tried on.

    Parameters
    ----------
    order
        Shape (N,): in which they are counted.
    codes, groups, fold
        Class, group and fold of each, in that order, shape (N,).
    """

    order: NDArray[np.int64]
    codes: NDArray[np.int64]
    groups: NDArray[np.int64]
    fold: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        X: NDArray[Any],
        y: NDArray[np.str_],
        groups: NDArray[np.int64],
        *,
        n_folds: int,
        seed: int,
    ) -> Self:
        """Deal samples out to folds; their order plays no part in it.

        Parameters
        ----------
        X
            Activations that tell them apart, shape (N, P).
        y, groups
            Labels and groups, shape (N,).
        n_folds, seed
            Folds (fewer where a class has fewer groups), and the seed of the deal.

        Raises
        ------
        DataError
            A class in fewer than 2 groups.
        """
        classes, codes = np.unique(y, return_inverse=True)
        codes = codes.astype(np.int64)
        fold = folds(X, codes, groups, n_folds=n_folds, seed=seed, classes=classes)
        order = canonical_order(X, codes, seed=seed, fold=fold)
        return cls(order, codes[order], groups[order], fold[order])

    def right(self, states: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the first 1, 2, … layers answer each sample rightly, fitted without its fold.

        Parameters
        ----------
        states
            Activations of a site, shape (N, L, W), as the samples were given.

        Returns
        -------
        ndarray of shape (L, n), bool
            For the first n samples in ``order``: at most 800, where these have every class.
        """
        width, n_classes = states.shape[2], int(self.codes.max()) + 1
        votes = SoftVotes.of(states.reshape(len(states), -1), self.order)
        # Small factorisations by the hundred: threads would cost more than they bring.
        with threadpool_limits(1, user_api="blas"):
            rows, given = depth_answers(
                votes, targets(self.codes, n_classes), self.codes, self.fold, width
            )
        return np.asarray(given == self.codes[rows])
