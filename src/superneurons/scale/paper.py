"""The paper's rule over activations that lie on several ranks, or on disk, and stay there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scaling import fit_scale
from superneurons.probes.splits import hold_out, sample_keys
from superneurons.scale.counts import SignCounts
from superneurons.scale.ranks import Rank

__all__ = ["Parts", "SharedPaper"]

Parts: TypeAlias = Iterable[tuple[NDArray[Any], NDArray[np.int64]]]
"""Activations (n, P), floating, and which rows they are (n,); gone through several times."""


class SharedPaper(PaperSuperNeurons):
    """:class:`~superneurons.probes.paper.PaperSuperNeurons`, each rank with rows of its own.

    What is learnt is what one process would learn from all rows, bit by bit. Between ranks go, for
    each neuron, the counts of rows on which it is above 0; for each margin, the counts of right
    answers; and for each held-out row one decision. Activations never do with ``aggregation``
    "majority". Means of them hang on the order they are added up in: with "mean", held-out rows are
    sent as well, with the neurons that come within ``max_margin`` of the best, and then those that
    tell how sure the answers are.

    Takes the same parameters. Unlike there, same rows with different labels are not warned of.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["no", "yes"], 100)
    >>> X = rng.normal(size=(200, 50))
    >>> X[:, 7] += np.where(y == "yes", 3, -3)
    >>> parts = [(X[:120], np.arange(120)), (X[120:], np.arange(120, 200))]
    >>> SharedPaper().fit_shared(Rank(), parts, 50, y, np.arange(200)).neurons_.tolist()
    [7]
    """

    def split(self, y: Any, groups: Any) -> NDArray[np.bool_]:
        """Choose the rows to hold out; what can't be fitted is refused before there are any.

        Parameters
        ----------
        y, groups
            Labels and groups of all rows, shape (N,).

        Returns
        -------
        ndarray of shape (N,), bool

        Raises
        ------
        DataError
            A parameter out of range; other than two classes; a class in fewer than 2 groups.
        """
        self._check_parameters()
        classes, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(classes) != 2:
            raise DataError(f"{len(classes)} classes; this rule knows two.", where="y")
        return hold_out(
            np.empty((len(codes), 0)), codes, groups, size=self.selection_size,
            seed=int(self.random_state), classes=classes,
        )  # fmt: skip

    def fit_shared(
        self, rank: Rank, parts: Parts, n_neurons: int, y: Any, groups: Any
    ) -> PaperSuperNeurons:
        """Find the Super Neurons; every rank calls it, and gets the same.

        Parameters
        ----------
        rank
            This one.
        parts
            Activations of this rank's rows; each of all N rows is on one rank. One part is held at
            a time.
        n_neurons
            P.
        y, groups
            Labels and groups of all rows, shape (N,).

        Returns
        -------
        PaperSuperNeurons
            Fitted, to be kept like any other.

        Raises
        ------
        DataError
            As :meth:`split` does; for an activation that is no finite number.
        """
        held = self.split(y, groups)
        classes, codes = np.unique(np.asarray(y), return_inverse=True)
        local = _Local(parts, n_neurons, codes, held, int(self.random_state))
        on_part, on_whole = (
            counts.summed(rank.summed).scores(self.metric) for counts in local.counts()
        )
        margins = self._margins()
        enters = np.searchsorted(margins, on_part.max() - on_part + 1e-9, side="right")
        achieved = self._achieved(rank, local, enters, np.bincount(codes[held], minlength=2))

        fitted = PaperSuperNeurons(**self.get_params())
        fitted.classes_, fitted.n_features_in_ = classes, n_neurons
        fitted.margin_ = float(margins[achieved.argmax()])
        fitted.selection_score_ = float(achieved.max())
        fitted.best_score_ = float(on_whole.max())
        fitted.threshold_ = fitted.best_score_ - fitted.margin_
        fitted.neurons_ = np.flatnonzero(on_whole > fitted.threshold_ + 1e-9)
        fitted.scores_ = on_whole[fitted.neurons_]
        fitted.n_neurons_ = len(fitted.neurons_)
        fitted.scale_ = self._scale(rank, local, on_part, fitted.n_neurons_)
        return fitted

    @property
    def _sends_rows(self) -> bool:
        return self.aggregation == "mean"

    def _achieved(
        self, rank: Rank, local: _Local, enters: NDArray[np.int64], n_held: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Balanced accuracy of each margin on the records held out, of all ranks."""
        decisions, positive = self._decided(rank, local, enters, len(self._margins()))
        says = decisions > 0
        right = np.stack([(~says[~positive]).sum(axis=0), says[positive].sum(axis=0)])
        if not self._sends_rows:
            right = rank.summed(right)
        return np.round((right[1] / n_held[1] + right[0] / n_held[0]) / 2, 12)

    def _scale(
        self, rank: Rank, local: _Local, on_part: NDArray[np.float64], n_neurons: int
    ) -> float:
        """How sure votes are, from records held out, by neurons that were chosen without them."""
        unseen = np.argsort(-on_part, kind="stable")[:n_neurons]
        enters = np.where(np.isin(np.arange(len(on_part)), unseen), 0, 1)
        decisions, positive = self._decided(rank, local, enters, 1)
        told = np.stack([decisions[:, 0], positive.astype(np.float64)], axis=1)
        if not self._sends_rows:
            told = np.concatenate(rank.gathered(told))
        return fit_scale(told[:, 0], told[:, 1] > 0)

    def _decided(
        self, rank: Rank, local: _Local, enters: NDArray[np.int64], n_sets: int
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Decisions (n, sets) on rows held out, and which are positive: of all, if they are sent.

        Those are put in the order in which one process adds them up.
        """
        columns = np.flatnonzero(enters < n_sets)
        X, positive = local.held_out(columns)
        if self._sends_rows:
            gathered: Callable[[Any], list[Any]] = rank.gathered
            X, positive, keys = (
                np.concatenate(gathered(mine)) for mine in (X, positive, local.keys)
            )
            order = np.argsort(keys, kind="stable")
            X, positive = X[order], positive[order]
        rows = np.arange(len(X))
        return self._nested_decisions(X, rows, enters[columns], n_sets), positive


class _Local:
    """The rows of one rank: activations part by part; of all rows, which are held out."""

    def __init__(
        self,
        parts: Parts,
        n_neurons: int,
        codes: NDArray[np.int64],
        held: NDArray[np.bool_],
        seed: int,
    ) -> None:
        self._parts, self._n_neurons, self._seed = parts, n_neurons, seed
        self._codes, self._held = codes, held

    def counts(self) -> tuple[SignCounts, SignCounts]:
        """Of the part that is not held out, and of all."""
        part = rest = SignCounts.none(self._n_neurons)
        for X, rows in self._parts:
            held, positive = self._held[rows], self._codes[rows] == 1
            part = part.plus(X[~held], positive[~held])
            rest = rest.plus(X[held], positive[held])
        return part, part + rest

    def held_out(self, columns: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Some columns of the rows held out, shape (n, C), and which of these are positive."""
        found = [np.empty((0, len(columns)), np.float16)]
        positive = [np.zeros(0, bool)]
        for X, rows in self._parts:
            held = np.flatnonzero(self._held[rows])
            found.append(X[np.ix_(held, columns)])
            positive.append(self._codes[rows[held]] == 1)
        return np.concatenate(found), np.concatenate(positive)

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """By what one process would sort the rows held out, shape (n,)."""
        found = [np.zeros(0, np.uint64)]
        for X, rows in self._parts:
            held = self._held[rows]
            found.append(sample_keys(X[held], self._codes[rows[held]], self._seed))
        return np.concatenate(found)
