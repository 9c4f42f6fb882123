"""Super Neurons, exactly as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import Problem
from superneurons.probes.arrays import check_binary, check_query, check_training
from superneurons.probes.fitted import FittedReadOut, require_ranges, seed_of
from superneurons.probes.scaling import binary_probabilities, fit_scale
from superneurons.probes.scores import Metric, scores_from_counts, sign_counts
from superneurons.probes.splits import canonical_order, hold_out
from superneurons.probes.states import is_between

__all__ = ["PaperSuperNeurons"]

# Scores are k / N and margins are decimals: "strictly above" must survive their rounding.
_ROUNDING = 1e-9
_COLUMNS_AT_ONCE = 4096


class PaperSuperNeurons(FittedReadOut):
    """The paper's rule: threshold 0, a score per neuron, those near the best vote, unweighted.

    A neuron says "yes" where its activation is above 0. Every neuron whose score on the probing
    set is strictly above SNt takes part. SNt lies between the best score and ``max_margin`` below
    it; how far below is decided on a part of the probing set that was held out from the scoring,
    by balanced accuracy (the smaller margin where several are best). Then all neurons are scored
    anew on the whole probing set, with that margin.

    The held-out part keeps groups whole and depends on the samples, not on their order.

    Parameters
    ----------
    metric : {"accuracy", "f1"}
        Score of a neuron.
    aggregation : {"majority", "mean"}
        "majority": more than half of the neurons say "yes"; a tie is "no". "mean": the mean of
        their raw activations is above 0. (The mean of their 0/1 votes, the other reading of the
        paper's word, is the majority.)
    max_margin : float
        How far below the best score SNt may lie; 0.03 in the paper.
    margin_step : float
        Step of the sweep; the paper uses 0.01 and 0.001.
    selection_size : float
        Share of the probing set that decides on the margin.
    random_state : int, RandomState or None
        Seed of the held-out part.

    Attributes
    ----------
    neurons_ : ndarray of shape (K,), int64
        The Super Neurons: columns of ``X``, ascending.
    scores_ : ndarray of shape (K,), float64
        Their scores on the whole probing set.
    n_neurons_ : int
        K.
    best_score_ : float
        Score of the best neuron on the whole probing set.
    threshold_ : float
        SNt: ``best_score_ - margin_``.
    margin_ : float
        The chosen margin.
    selection_score_ : float
        Balanced accuracy of that margin on the held-out part.
    scale_ : float
        ``predict_proba`` is ``sigmoid(scale_ * decision)``, fitted on the held-out part with the
        ``n_neurons_`` best neurons of the other part.

    Notes
    -----
    "Taking Shortcuts for Categorical VQA Using Super Neurons" (arXiv 2603.10781), §3.2, Eq. 5.
    The paper doesn't say which data choose SNt; the validation data would flatter, so held-out
    probing data do here. Two classes only; the paper unrolls multiple choice into one yes/no
    question per option.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["no", "yes"], 100)
    >>> X = rng.normal(size=(200, 50))
    >>> X[:, 7] += np.where(y == "yes", 3, -3)
    >>> PaperSuperNeurons().fit(X, y).neurons_.tolist()
    [7]
    """

    name: ClassVar[str] = "paper"
    _arrays: ClassVar[Mapping[str, str]] = {"scores_": "float K"}
    _values: ClassVar[Mapping[str, type]] = {
        "n_neurons_": int,
        "best_score_": float,
        "threshold_": float,
        "margin_": float,
        "selection_score_": float,
        "scale_": float,
    }

    scores_: NDArray[np.float64]
    n_neurons_: int
    best_score_: float
    threshold_: float
    margin_: float
    selection_score_: float
    scale_: float

    def __init__(
        self,
        *,
        metric: Metric = "accuracy",
        aggregation: Literal["majority", "mean"] = "majority",
        max_margin: float = 0.03,
        margin_step: float = 0.001,
        selection_size: float = 0.25,
        random_state: Any = 0,
    ) -> None:
        self.metric = metric
        self.aggregation = aggregation
        self.max_margin = max_margin
        self.margin_step = margin_step
        self.selection_size = selection_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Find the Super Neurons.

        Parameters
        ----------
        X
            Activations of shape (N, P), floating; constant and repeated columns do no harm.
        y
            Labels of shape (N,), of two classes.
        groups
            Shape (N,): samples of one group, such as questions on one picture, are never parted.

        Raises
        ------
        DataError
            NaN or infinity (with sample and column), other than two classes, a class in fewer
            than 2 groups, a parameter out of range.
        """
        self._check_parameters()
        X, codes = check_training(self, X, y, groups)
        check_binary(self)
        positive = codes == 1
        seed = seed_of(self.random_state)
        held = hold_out(
            X, codes, groups, size=self.selection_size, seed=seed, classes=self.classes_
        )
        on_part, on_whole = self._scores(X, positive, ~held)

        order = canonical_order(X, codes, seed=seed)
        samples, margins = order[held[order]], self._margins()
        enters = np.searchsorted(margins, on_part.max() - on_part + _ROUNDING, side="right")
        decisions = self._nested_decisions(X, samples, enters, len(margins))
        achieved = _balanced_accuracy(decisions > 0, positive[samples])
        chosen = int(achieved.argmax())

        self.margin_ = float(margins[chosen])
        self.selection_score_ = float(achieved[chosen])
        self.best_score_ = float(on_whole.max())
        self.threshold_ = self.best_score_ - self.margin_
        self.neurons_ = np.flatnonzero(on_whole > self.threshold_ + _ROUNDING)
        self.scores_ = on_whole[self.neurons_]
        self.n_neurons_ = len(self.neurons_)
        # The final neurons have seen the held-out labels, so the scale is fitted on as many that
        # have not; as many, because the spread of a vote share hangs on their number.
        unseen = np.argsort(-on_part, kind="stable")[: self.n_neurons_]
        enters = np.where(np.isin(np.arange(X.shape[1]), unseen), 0, 1)
        decision = self._nested_decisions(X, samples, enters, 1)[:, 0]
        self.scale_ = fit_scale(decision, positive[samples])
        return self

    def _check_parameters(self) -> None:
        require_ranges(
            ("metric", self.metric, self.metric in ("accuracy", "f1"), "'accuracy' or 'f1'"),
            (
                "aggregation",
                self.aggregation,
                self.aggregation in ("majority", "mean"),
                "'majority' or 'mean'",
            ),
            ("max_margin", self.max_margin, is_between(self.max_margin, 0, 1), "in (0, 1)"),
            (
                "margin_step",
                self.margin_step,
                is_between(self.margin_step, 0, 1)
                and not is_between(self.max_margin, 0, self.margin_step),
                "in (0, max_margin]",
            ),
            (
                "selection_size",
                self.selection_size,
                is_between(self.selection_size, 0, 1),
                "in (0, 1)",
            ),
        )

    def _contradictions(self) -> list[Problem]:
        problems = []
        if len(self.classes_) != 2:
            problems.append(Problem("classes_", f"{len(self.classes_)}, not 2"))
        if self.scale_ <= 0:
            problems.append(Problem("scale_", f"{self.scale_} is not above 0"))
        return problems

    def _margins(self) -> NDArray[np.float64]:
        n = int(self.max_margin / self.margin_step + _ROUNDING)
        return np.asarray(self.margin_step * np.arange(1, n + 1))

    def _scores(
        self, X: NDArray[Any], positive: NDArray[np.bool_], part: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores of all neurons on a part and on the whole, from one pass over ``X``."""
        ways = np.stack([positive & part, ~positive & part, positive, ~positive])
        tp_part, fp_part, tp, fp = sign_counts(X, ways)
        n_positive_part, n_negative_part, n_positive, n_negative = ways.sum(axis=1).tolist()
        return (
            scores_from_counts(tp_part, fp_part, n_positive_part, n_negative_part, self.metric),
            scores_from_counts(tp, fp, n_positive, n_negative, self.metric),
        )

    def _nested_decisions(
        self, X: NDArray[Any], samples: NDArray[np.int64], enters: NDArray[np.int64], n_sets: int
    ) -> NDArray[np.float64]:
        """Decide by each of some nested sets of neurons; returns shape (samples, n_sets).

        A neuron belongs to the sets from ``enters`` on. So sums over each set's newcomers,
        accumulated, serve all sets at once.
        """
        candidates = np.flatnonzero(enters < n_sets)
        sums = np.zeros((len(samples), n_sets))
        for start in range(0, len(candidates), _COLUMNS_AT_ONCE):
            columns = candidates[start : start + _COLUMNS_AT_ONCE]
            newcomers = np.eye(n_sets)[enters[columns]]
            sums += self._opinions(X[np.ix_(samples, columns)]) @ newcomers
        n_neurons = np.bincount(enters[candidates], minlength=n_sets).cumsum()
        return np.asarray(sums.cumsum(axis=1) / n_neurons)

    def _opinions(self, activations: NDArray[Any]) -> NDArray[np.float64]:
        """Turn activations into what they add to the decision: half a vote, or themselves."""
        if self.aggregation == "majority":
            return np.where(activations > 0, 0.5, -0.5)
        return activations.astype(np.float64)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Share of "yes" votes minus ½, or the mean activation: positive means ``classes_[1]``.

        Raises
        ------
        DataError
            Another number of columns than in ``fit``, NaN or infinity.
        """
        return self._opinions(check_query(self, X)).mean(axis=1)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of shape (N, 2)."""
        decision = self.decision_function(X)
        return binary_probabilities(self.scale_ * decision)

    def __sklearn_tags__(self) -> Any:
        """Say that two classes are all it knows, and that a fixed threshold of 0 can do badly."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        return tags


def _balanced_accuracy(
    says_yes: NDArray[np.bool_], positive: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Balanced accuracy of each column of predictions; rounded, so that equals compare equal."""
    recalls = says_yes[positive].mean(axis=0) + 1 - says_yes[~positive].mean(axis=0)
    return np.asarray(np.round(recalls / 2, 12))
