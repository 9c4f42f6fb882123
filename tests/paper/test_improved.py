"""The improved rule, written out once more in plain NumPy and loops, against our estimator.

Only the draw of the folds is taken as given: everything after it is derived anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from superneurons.probes.splits import folds
from superneurons.probes.super_neurons import SuperNeurons

SEEDS = st.integers(0, 10_000)
N, P = 48, 24


def probing_set(seed: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(N) % classes)
    directions = rng.normal(size=(classes, P)) * rng.uniform(0, 0.9, size=P)
    return 5 * rng.normal(size=P) + (rng.normal(size=(N, P)) + directions[codes]) * 3, codes


def targets_of(codes: np.ndarray, classes: int) -> np.ndarray:
    if classes == 2:
        return np.array([[1.0 if code else -1.0] for code in codes])
    return np.array([[float(code == c) for c in range(classes)] for code in codes])


def ridge(A: np.ndarray, Y: np.ndarray, penalty: float) -> Ridge:
    """Penalties are in units of the mean squared length of a centred sample."""
    unit = np.mean([float(row @ row) for row in A - A.mean(axis=0)])
    return Ridge(alpha=penalty * unit, solver="cholesky").fit(A, Y)


def answers(model: Ridge, A: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(A)).reshape(len(A), -1)


def ranking(Z: np.ndarray, Y: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Neurons by weight times trust, and how far each is trusted."""
    weights = np.atleast_2d(ridge(Z, Y, penalty).coef_)
    correlations = np.array([[np.corrcoef(z, t)[0, 1] * z.std() for t in Y.T] for z in Z.T])
    squares = np.mean(correlations**2, axis=1)
    near = [squares[max(0, d - 256) : d + 256].mean() for d in range(len(squares))]
    variance = np.maximum(np.array(near) - 1 / len(Z), 0) + 1e-6
    trust = np.sqrt(variance / variance.max())
    heaviness = np.sqrt((weights**2).sum(axis=0)) * trust
    return np.argsort(-heaviness), trust


def error_of(scores: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Squared error of each sample, once each target's scores are scaled at their best."""
    error = np.zeros(len(Y))
    for s, t in zip((scores - scores.mean(axis=0)).T, (Y - Y.mean(axis=0)).T, strict=True):
        error += (t - s * max(0.0, s @ t / (s @ s))) ** 2 / Y.shape[1]
    return error


@dataclass
class Derived:
    size: int
    penalty: float
    neurons: list[int]
    features: np.ndarray
    scores: np.ndarray


def derived(X: np.ndarray, codes: np.ndarray, fold: np.ndarray) -> Derived:
    Z, Y = (X - X.mean(axis=0)) / X.std(axis=0), targets_of(codes, codes.max() + 1)
    parts = [fold != f for f in range(fold.max() + 1)]

    def error_over_all_neurons(penalty: float) -> float:
        fits = [(part, ridge(Z[part], Y[part], penalty)) for part in parts]
        return sum(float(np.sum((Y[~p] - answers(fit, Z[~p])) ** 2)) for p, fit in fits)

    choosing = min((0.01, 0.1, 1.0), key=error_over_all_neurons)
    ranked = [ranking(Z[part], Y[part], choosing) for part in parts]
    tried = {}
    for size in (3, 10, P):
        for penalty in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0):
            scores = np.zeros_like(Y)
            for part, (order, trust) in zip(parts, ranked, strict=True):
                A = (Z * trust)[:, order[:size]]
                scores[~part] = answers(ridge(A[part], Y[part], penalty), A[~part])
            tried[size, penalty] = scores
    errors = {key: error_of(scores, Y) for key, scores in tried.items()}
    best = min(errors, key=lambda key: errors[key].mean())
    kept = [best]
    for size in (3, 10, P):
        rival = min((key for key in errors if key[0] == size), key=lambda k: errors[k].mean())
        excess = errors[rival] - errors[best]
        if excess.mean() <= excess.std() / np.sqrt(N):
            kept.append(rival)
    size, penalty = max(kept)
    order, trust = ranking(Z, Y, choosing)
    neurons = sorted(order[:size].tolist())
    return Derived(size, penalty, neurons, (Z * trust)[:, neurons], tried[size, penalty])


def log_odds(scores: np.ndarray, codes: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Classes as Gaussians of one covariance; one sample's worth of the spread of all is added."""
    n, classes = len(codes), range(codes.max() + 1)
    means = [scores[codes == c].mean(axis=0) for c in classes]
    scatter = np.cov(scores.T, bias=True).reshape(scores.shape[1], -1)
    for row, code in zip(scores, codes, strict=True):
        scatter = scatter + np.outer(row - means[code], row - means[code])
    inverse = np.linalg.inv(scatter / (n + 1) + 1e-6 * np.eye(scores.shape[1]))
    columns = [
        query @ inverse @ mean - mean @ inverse @ mean / 2 + np.log(np.mean(codes == c))
        for c, mean in zip(classes, means, strict=True)
    ]
    return columns[1] - columns[0] if len(columns) == 2 else np.stack(columns, axis=1)


@pytest.mark.parametrize("classes", [2, 3])
@settings(max_examples=2, deadline=None)
@given(seed=SEEDS)
def test_neurons_penalty_and_decisions(classes, seed) -> None:
    X, codes = probing_set(seed, classes)
    fitted = SuperNeurons().fit(X, codes)
    fold = folds(X, codes, None, n_folds=5, seed=0)
    expected = derived(X, codes, fold)
    assert (fitted.n_neurons_, fitted.penalty_) == (expected.size, expected.penalty)
    assert fitted.neurons_.tolist() == expected.neurons
    final = ridge(expected.features, targets_of(codes, classes), expected.penalty)
    decision = log_odds(expected.scores, codes, answers(final, expected.features))
    np.testing.assert_allclose(fitted.decision_function(X), decision, rtol=2e-3, atol=2e-3)
    inside = log_odds(expected.scores, codes, expected.scores)
    given_codes = inside > 0 if classes == 2 else inside.argmax(axis=1)
    recalls = [np.mean(given_codes[codes == c] == c) for c in range(classes)]
    assert fitted.cv_score_ == pytest.approx(np.mean(recalls))


@settings(max_examples=2, deadline=None)
@given(seed=SEEDS, n_folds=st.integers(2, 6), draw=st.integers(0, 9))
def test_folds_are_as_many_as_asked_for_and_drawn_by_the_seed(seed, n_folds, draw) -> None:
    X, codes = probing_set(seed, 2)
    groups = np.arange(N) // 3
    fitted = SuperNeurons(n_folds=n_folds, random_state=draw).fit(X, codes, groups)
    expected = derived(X, codes, folds(X, codes, groups, n_folds=n_folds, seed=draw))
    assert fitted.neurons_.tolist() == expected.neurons
    assert fitted.penalty_ == expected.penalty


@settings(max_examples=3, deadline=None)
@given(seed=SEEDS, exponent=st.integers(-4, 4), classes=st.integers(2, 3))
def test_neither_unit_nor_zero_of_a_neuron_matters(seed, exponent, classes) -> None:
    X, codes = probing_set(seed, classes)
    other = X * 2.0**exponent + np.linspace(-9, 9, P) * 2.0**exponent
    groups = np.arange(N)
    one, two = (SuperNeurons().fit(A, codes, groups) for A in (X, other))
    assert one.neurons_.tolist() == two.neurons_.tolist()
    np.testing.assert_allclose(
        one.decision_function(X), two.decision_function(other), rtol=1e-3, atol=1e-3
    )


@settings(max_examples=3, deadline=None)
@given(seed=SEEDS)
def test_turned_neurons_turn_their_weights_and_nothing_else(seed) -> None:
    X, codes = probing_set(seed, 2)
    signs, groups = np.random.default_rng(seed).choice([-1.0, 1.0], size=P), np.arange(N)
    one, two = (SuperNeurons().fit(A, codes, groups) for A in (X, X * signs))
    assert one.neurons_.tolist() == two.neurons_.tolist()
    turned = two.coef_ * signs[one.neurons_][:, None]
    np.testing.assert_allclose(one.coef_, turned, rtol=1e-3, atol=1e-6)
