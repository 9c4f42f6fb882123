"""The paper's rule over activations that lie on several ranks, and stay there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scaling import fit_scale
from superneurons.probes.splits import hold_out
from superneurons.scale.counts import SignCounts
from superneurons.scale.ranks import Rank

__all__ = ["SharedPaper"]


class SharedPaper(PaperSuperNeurons):
    """:class:`~superneurons.probes.paper.PaperSuperNeurons`, each rank with rows of its own.

    What is learnt is what one process would learn from all rows, bit by bit. Between ranks go, for
    each neuron, the counts of rows on which it is above 0; for each margin, the counts of right
    answers; and for each held-out row one decision. Activations never do.

    Takes the same parameters; ``aggregation`` has to be "majority", whose sums are exact in any
    order.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["no", "yes"], 100)
    >>> X = rng.normal(size=(200, 50))
    >>> X[:, 7] += np.where(y == "yes", 3, -3)
    >>> rule = SharedPaper().fit_shared(Rank(), X, np.arange(200), y, np.arange(200))
    >>> rule.neurons_.tolist()
    [7]
    """

    def fit_shared(
        self, rank: Rank, X: NDArray[Any], rows: NDArray[np.int64], y: Any, groups: Any
    ) -> PaperSuperNeurons:
        """Find the Super Neurons; every rank calls it, and gets the same.

        Parameters
        ----------
        rank
            This one.
        X
            Activations of this rank's rows, shape (n, P), floating.
        rows
            Which of all N rows they are, shape (n,): each row is on one rank.
        y, groups
            Labels and groups of all rows, shape (N,).

        Returns
        -------
        PaperSuperNeurons
            Fitted, to be kept like any other.

        Raises
        ------
        DataError
            As ``PaperSuperNeurons.fit`` does; for another aggregation than "majority".
        """
        self._check_parameters()
        if self.aggregation != "majority":
            raise DataError(
                "Means of activations depend on the order they are added up in, so on the ranks.",
                where="aggregation",
                mend="Use 'majority', or fit on one process.",
            )
        classes, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(classes) != 2:
            raise DataError(f"{len(classes)} classes; this rule knows two.", where="y")
        held = hold_out(
            np.empty((len(codes), 0)), codes, groups, size=self.selection_size,
            seed=int(self.random_state), classes=classes,
        )  # fmt: skip
        local = _Local(X, codes[rows] == 1, held[rows])
        on_part, on_whole = (
            counts.summed(rank.summed).scores(self.metric) for counts in local.counts()
        )
        margins = self._margins()
        enters = np.searchsorted(margins, on_part.max() - on_part + 1e-9, side="right")
        achieved = self._achieved(rank, local, enters, np.bincount(codes[held], minlength=2))

        fitted = PaperSuperNeurons(**self.get_params())
        fitted.classes_, fitted.n_features_in_ = classes, X.shape[1]
        fitted.margin_ = float(margins[achieved.argmax()])
        fitted.selection_score_ = float(achieved.max())
        fitted.best_score_ = float(on_whole.max())
        fitted.threshold_ = fitted.best_score_ - fitted.margin_
        fitted.neurons_ = np.flatnonzero(on_whole > fitted.threshold_ + 1e-9)
        fitted.scores_ = on_whole[fitted.neurons_]
        fitted.n_neurons_ = len(fitted.neurons_)
        fitted.scale_ = self._scale(rank, local, on_part, fitted.n_neurons_)
        return fitted

    def _scale(
        self, rank: Rank, local: _Local, on_part: NDArray[np.float64], n_neurons: int
    ) -> float:
        """How sure votes are, from records held out, by neurons that were chosen without them."""
        unseen = np.argsort(-on_part, kind="stable")[:n_neurons]
        enters = np.where(np.isin(np.arange(len(on_part)), unseen), 0, 1)
        decision = self._decided(local, enters, 1)[:, 0]
        told = np.concatenate(rank.gathered(np.stack([decision, local.held_positive], axis=1)))
        return fit_scale(told[:, 0], told[:, 1] > 0)

    def _achieved(
        self,
        rank: Rank,
        local: _Local,
        enters: NDArray[np.int64],
        n_held: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Balanced accuracy of each margin on the records held out, of all ranks."""
        right = rank.summed(local.right(self._decided(local, enters, len(self._margins()))))
        return np.round((right[1] / n_held[1] + right[0] / n_held[0]) / 2, 12)

    def _decided(
        self, local: _Local, enters: NDArray[np.int64], n_sets: int
    ) -> NDArray[np.float64]:
        return self._nested_decisions(local.X, np.flatnonzero(local.held), enters, n_sets)


class _Local:
    """The rows of one rank: activations, whether positive, whether held out."""

    def __init__(
        self, X: NDArray[Any], positive: NDArray[np.bool_], held: NDArray[np.bool_]
    ) -> None:
        self.X, self.positive, self.held = X, positive, held

    @property
    def held_positive(self) -> NDArray[np.float64]:
        return self.positive[self.held].astype(np.float64)

    def counts(self) -> tuple[SignCounts, SignCounts]:
        """Of the part that is not held out, and of all."""
        none, rest = SignCounts.none(self.X.shape[1]), ~self.held
        part = none.plus(self.X[rest], self.positive[rest])
        return part, part + none.plus(self.X[self.held], self.positive[self.held])

    def right(self, decisions: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many held-out rows each set answers rightly, shape (2, sets): "no", then "yes"."""
        says, positive = decisions > 0, self.positive[self.held]
        return np.stack([(~says[~positive]).sum(axis=0), says[positive].sum(axis=0)])
