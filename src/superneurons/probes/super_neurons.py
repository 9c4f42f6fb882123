"""Super Neurons, improved: signed, weighted soft votes of few neurons, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from superneurons.probes.arrays import check_layers, check_query, check_training, row_products
from superneurons.probes.depth import DepthAnswers, depth_answers, shallowest
from superneurons.probes.fitted import FittedReadOut, require_ranges, seed_of
from superneurons.probes.ridge import RidgePath, dual_weights, gaussian_log_odds, targets
from superneurons.probes.scaling import binary_probabilities
from superneurons.probes.soft_votes import SoftVotes
from superneurons.probes.splits import canonical_order, folds
from superneurons.probes.states import is_between, is_whole
from superneurons.probes.trust import standardised, trust

__all__ = ["SuperNeurons"]

_CHOOSING_PENALTIES = (0.01, 0.1, 1.0)
_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_SIZES = (3, 10, 30, 100, 300, 1000, 3000)
# Choosing neurons costs N² P; more samples than this refine the weights but not the choice.
_MOST_CHOOSING = 4000


class SuperNeurons(FittedReadOut):
    """A shrinkage discriminant over the few neurons that carry most of its weight.

    Like the paper's rule it reads single neurons and trains nothing by steps. Unlike it:

    * a neuron votes softly, by how far its activation is from its mean, in units of its spread:
      every neuron has its own threshold;
    * votes are signed and weighted by ridge regression over *all* neurons at once, in closed
      form: neurons that say the same share one weight, so that repetition adds nothing;
    * neurons are trusted beforehand as far as their neighbourhood is correlated with the answer,
      so that layers that know nothing don't drown out those that do (columns of one layer should
      stand together);
    * only the first ``depth_`` layers are searched, the fewest that answer nearly as well as any
      number of them: what comes after them need not run;
    * the ``n_neurons_`` with the largest weights are kept and weighted anew; how many, and how
      strongly the weights are shrunk, is decided by cross-validation in which the choice of the
      neurons is made anew for each fold (the most neurons within a standard error of the best);
    * probabilities come from the cross-validated scores, as Gaussians of one covariance.

    Any number of classes: one regression target for two, one per class for more, and then the
    Gaussians in the space of the targets, so that a class between two others isn't lost. A neuron
    so votes for every class, with a weight for each, rather than through K-way cuts or one
    interval per class: cuts of single neurons lose what only several tell together, and their
    places are as many parameters more to get wrong.

    The result doesn't depend on the order of the samples. It does on that of the columns: through
    the neighbourhoods, and of equal neurons the first are kept; without groups, folds are drawn
    from the samples' values as they stand.

    Parameters
    ----------
    max_neurons : int
        At most this many are kept.
    layer_width : int or None
        Neurons per layer, to choose how many layers are worth running; ``None``: all columns are
        one layer.
    tolerance : float or None
        Of several depths, the shallowest is taken that is cross-validated to within this much
        balanced accuracy of the best: what an early exit may cost. ``None``: all layers are read.
    n_folds : int
        Folds of the cross-validation; fewer where a class has fewer groups.
    random_state : int, RandomState or None
        Seed of the folds.

    Attributes
    ----------
    neurons_ : ndarray of shape (K,), int64
        The Super Neurons: columns of ``X``, ascending.
    n_neurons_ : int
        K.
    depth_ : int
        Layers that were searched: the first so many.
    depth_answers_ : DepthAnswers or None
        What the cross-validation that chose them answered at each depth; ``None`` where there was
        nothing to choose. Not part of the state.
    coef_ : ndarray of shape (K, 1) for two classes, else (K, C), float64
        Weight of each neuron's activation; its sign is the neuron's polarity.
    intercept_ : ndarray of shape (1,) or (C,), float64
        Decision values are ``X[:, neurons_] @ coef_ + intercept_``.
    penalty_ : float
        The chosen shrinkage, in units of the mean squared length of a sample.
    cv_score_ : float
        Balanced accuracy in the cross-validation that chose K and the penalty, which makes it a
        little too good.

    Notes
    -----
    Ridge regression onto ±1 is linear discriminant analysis with the pooled covariance shrunk
    towards a multiple of the identity (Hastie, Tibshirani, Friedman, §4.3; Friedman 1989).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["no", "yes"], 100)
    >>> X = rng.normal(size=(200, 50))
    >>> X[:, 7] += np.where(y == "yes", -3, 3)
    >>> fitted = SuperNeurons(max_neurons=5).fit(X, y)
    >>> 7 in fitted.neurons_, fitted.score(X, y) > 0.98
    (True, True)
    """

    name: ClassVar[str] = "super-neurons"
    _arrays: ClassVar[Mapping[str, str]] = {"coef_": "float K T", "intercept_": "float T"}
    _values: ClassVar[Mapping[str, type]] = {
        "n_neurons_": int,
        "depth_": int,
        "penalty_": float,
        "cv_score_": float,
    }

    n_neurons_: int
    depth_: int
    depth_answers_: DepthAnswers | None
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    penalty_: float
    cv_score_: float

    def __init__(
        self,
        *,
        max_neurons: int = 1000,
        layer_width: int | None = None,
        tolerance: float | None = 0.01,
        n_folds: int = 5,
        random_state: Any = 0,
    ) -> None:
        self.max_neurons = max_neurons
        self.layer_width = layer_width
        self.tolerance = tolerance
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Find the Super Neurons and their weights.

        Parameters
        ----------
        X
            Activations of shape (N, P), floating; constant and repeated columns do no harm.
        y
            Labels of shape (N,).
        groups
            Shape (N,): samples of one group, such as questions on one picture, are never parted.

        Raises
        ------
        DataError
            NaN or infinity (with sample and column), one class only, a class in fewer than 2
            groups, columns that aren't whole layers, a parameter out of range.
        """
        self._check_parameters()
        X, codes = check_training(self, X, y, groups)
        width = self.layer_width or X.shape[1]
        check_layers(X, width)
        seed, n_classes = seed_of(self.random_state), len(self.classes_)
        fold = folds(X, codes, groups, n_folds=self.n_folds, seed=seed, classes=self.classes_)
        order = canonical_order(X, codes, seed=seed, fold=fold)
        votes, codes, fold = SoftVotes.of(X, order), codes[order], fold[order]

        # Hundreds of small factorisations: threads of the linear algebra library would cost more
        # than they bring, and many times more where other work shares the cores.
        with threadpool_limits(1, user_api="blas"):
            Y, self.depth_ = targets(codes, n_classes), X.shape[1] // width
            self.depth_answers_ = None
            if self.tolerance is not None and self.depth_ > 1:
                rows, given = depth_answers(votes, Y, codes, fold, width)
                self.depth_answers_ = DepthAnswers(order[rows], given)
                scores = DepthAnswers(rows, given).scores(codes)
                self.depth_ = shallowest(scores, self.tolerance)
            self._fit_votes(votes.first(self.depth_ * width), Y, codes, fold)
        return self

    def _check_parameters(self) -> None:
        width, cost = self.layer_width, self.tolerance
        require_ranges(
            ("max_neurons", self.max_neurons, is_whole(self.max_neurons, 1), "at least 1"),
            ("layer_width", width, width is None or is_whole(width, 1), "None or at least 1"),
            ("tolerance", cost, cost in (None, 0) or is_between(cost, 0, 1), "None or in [0, 1)"),
            ("n_folds", self.n_folds, is_whole(self.n_folds, 2), "at least 2"),
        )

    def _fit_votes(
        self,
        votes: SoftVotes,
        Y: NDArray[np.float64],
        codes: NDArray[np.int64],
        fold: NDArray[np.int64],
    ) -> None:
        choices = _choices(votes, Y, fold, np.arange(len(Y))[:_MOST_CHOOSING], self.max_neurons)
        most = len(choices[-1].neurons)
        sizes = sorted({min(size, most) for size in (*_SIZES, self.max_neurons)})
        scores = _cross_validated(votes, Y, fold, choices, sizes)
        key = _most_neurons_of_the_best(scores, Y)
        A, b = gaussian_log_odds(scores[key], codes, len(self.classes_))
        self.cv_score_ = _balanced_accuracy(scores[key] @ A + b, codes)

        self.n_neurons_, self.penalty_ = key
        chosen = choices[-1].first(self.n_neurons_).ascending()
        self.neurons_ = chosen.neurons
        path = RidgePath.of(chosen.features(votes), Y)
        weights, offset = path.solve(self.penalty_)
        per_unit = votes.per_unit[self.neurons_] * chosen.trust
        self.coef_ = (weights @ A) * per_unit[:, None]
        self.intercept_ = offset @ A + b - votes.mean[self.neurons_].astype(np.float64) @ self.coef_

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-odds of the second class, shape (N,); or log-probabilities up to a constant, (N, C).

        Raises
        ------
        DataError
            Another number of columns than in ``fit``, NaN or infinity.
        """
        decision = row_products(check_query(self, X), self.coef_) + self.intercept_
        return np.asarray(decision[:, 0] if decision.shape[1] == 1 else decision)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of shape (N, C)."""
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return binary_probabilities(decision)
        return np.asarray(softmax(decision, axis=1))


@dataclass(frozen=True)
class _Choice:
    """Neurons by weight, the heaviest first, and how far each is trusted before it is weighed."""

    neurons: NDArray[np.int64]
    trust: NDArray[np.float64]

    def features(self, votes: SoftVotes) -> NDArray[np.float64]:
        return np.asarray(votes.block(self.neurons).numpy() * self.trust)

    def first(self, size: int) -> _Choice:
        return _Choice(self.neurons[:size], self.trust[:size])

    def ascending(self) -> _Choice:
        order = np.argsort(self.neurons)
        return _Choice(self.neurons[order], self.trust[order])


def _choices(
    votes: SoftVotes,
    Y: NDArray[np.float64],
    fold: NDArray[np.int64],
    rows: NDArray[np.int64],
    most: int,
) -> list[_Choice]:
    """Choose from the regression over all neurons: without each fold, then with all samples."""
    gram, Y, fold = votes.gram(rows), Y[rows], fold[rows]
    parts = [fold != f for f in range(fold.max() + 1)]
    errors = [
        sum(_error_on_rest(gram, Y, part, penalty) for part in parts)
        for penalty in _CHOOSING_PENALTIES
    ]
    penalty = _CHOOSING_PENALTIES[int(np.argmin(errors))]
    parts.append(np.ones(len(rows), dtype=bool))
    ways = np.zeros((len(rows), 2, len(parts), Y.shape[1]))
    for i, part in enumerate(parts):
        ways[part, 0, i] = dual_weights(gram[np.ix_(part, part)], Y[part], penalty)
        ways[part, 1, i] = standardised(Y[part])
    sums = votes.weighted_sums(rows, ways.reshape(len(rows), -1))
    weights, correlations = np.split(sums.reshape(len(sums), -1, Y.shape[1]), 2, axis=1)
    most = min(most, max(1, int(np.count_nonzero(votes.per_unit))))
    choices = []
    for i, part in enumerate(parts):
        trusted = trust(np.mean(correlations[:, i] ** 2, axis=1), int(part.sum()))
        weight = np.linalg.norm(weights[:, i], axis=1) * trusted
        neurons = np.argsort(-weight, kind="stable")[:most]
        choices.append(_Choice(neurons, trusted[neurons]))
    return choices


def _error_on_rest(
    gram: NDArray[np.float64], Y: NDArray[np.float64], part: NDArray[np.bool_], penalty: float
) -> float:
    """Squared error outside ``part`` of the regression over all neurons fitted on ``part``."""
    alpha = dual_weights(gram[np.ix_(part, part)], Y[part], penalty)
    products = gram[np.ix_(~part, part)]
    centre = gram[np.ix_(part, part)].mean(axis=0)
    return float(np.sum((Y[~part] - Y[part].mean(axis=0) - (products - centre) @ alpha) ** 2))


def _cross_validated(
    votes: SoftVotes,
    Y: NDArray[np.float64],
    fold: NDArray[np.int64],
    choices: list[_Choice],
    sizes: list[int],
) -> dict[tuple[int, float], NDArray[np.float64]]:
    """Scores of shape (N, T) of each sample by the fits without its fold, per size and penalty."""
    scores = {(size, penalty): np.empty_like(Y) for size in sizes for penalty in _PENALTIES}
    for f, choice in enumerate(choices[:-1]):
        inside, outside = fold != f, fold == f
        features = choice.features(votes)
        for size in sizes:
            path = RidgePath.of(features[inside, :size], Y[inside])
            for penalty in _PENALTIES:
                weights, offset = path.solve(penalty)
                scores[size, penalty][outside] = features[outside, :size] @ weights + offset
    return scores


def _most_neurons_of_the_best(
    scores: dict[tuple[int, float], NDArray[np.float64]], Y: NDArray[np.float64]
) -> tuple[int, float]:
    """Choose size and penalty: the largest size within one standard error of the best.

    Neurons that add nothing are shrunk to little, whereas those that are missing are missed: so
    doubt speaks for more of them.
    """
    errors = {key: _errors(value, Y) for key, value in scores.items()}
    mean = {key: float(error.mean()) for key, error in errors.items()}
    best = min(mean, key=lambda key: (mean[key], key))
    within = [best]
    for size in {size for size, _ in mean}:
        rival = min((key for key in mean if key[0] == size), key=lambda key: (mean[key], key))
        excess = errors[rival] - errors[best]
        if excess.mean() <= excess.std() / np.sqrt(len(excess)):
            within.append(rival)
    return max(within)


def _errors(scores: NDArray[np.float64], Y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared error of each sample, shape (N,), with each target's scores scaled at their best.

    The Gaussians scale them anyway; without this, shrinkage itself would count as an error.
    """
    scores, Y = scores - scores.mean(axis=0), Y - Y.mean(axis=0)
    energy = np.maximum(np.sum(scores**2, axis=0), np.finfo(np.float64).tiny)
    return np.mean((Y - scores * np.maximum(np.sum(scores * Y, axis=0), 0) / energy) ** 2, axis=1)


def _balanced_accuracy(decision: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    given = decision[:, 0] > 0 if decision.shape[1] == 1 else decision.argmax(axis=1)
    return float(np.mean([np.mean(given[codes == c] == c) for c in range(codes.max() + 1)]))
