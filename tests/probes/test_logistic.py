from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.splits import folds

from .synthetic import planted


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_logistic_regression_on_standard_scores(classes) -> None:
    X, y = planted(200, 20, classes=classes, strength=0.7, dtype=np.float64)
    fitted = LogisticProbe().fit(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = LogisticRegression(C=fitted.setting_, max_iter=5000).fit(Z, y)
    np.testing.assert_allclose(fitted.predict_proba(X), expected.predict_proba(Z), atol=2e-3)


def test_noise_is_met_with_a_strong_penalty_and_much_signal_with_a_weak_one() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    many_weak = rng.normal(size=(200, 300)) + 0.15 * (2 * y[:, None] - 1)
    assert LogisticProbe().fit(many_weak, y).setting_ <= 0.01
    suppressed = np.stack([y + rng.normal(scale=9, size=200), np.zeros(200)], axis=1)
    suppressed[:, 1] = suppressed[:, 0] - y + 0.05 * rng.normal(size=200)
    assert LogisticProbe().fit(suppressed, y).setting_ == 1.0


@pytest.mark.parametrize("classes", [2, 3])
def test_layer_and_penalty_are_those_of_the_cross_validation(classes) -> None:
    X, y = planted(60, 12, classes=classes, strength=0.8, dtype=np.float64, seed=3)
    fitted = LogisticProbe(layer_width=6, n_folds=4, random_state=1).fit(X, y)
    fold = folds(X, y, None, n_folds=4, seed=1)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    right = {}
    for layer in range(2):
        A = Z[:, 6 * layer : 6 * layer + 6]
        for C in (0.001, 0.01, 0.1, 1.0):
            fits = [LogisticRegression(C=C).fit(A[fold != f], y[fold != f]) for f in range(4)]
            right[layer, C] = sum(
                int(np.sum(fit.predict(A[fold == f]) == y[fold == f])) for f, fit in enumerate(fits)
            )
    # There each fit begins where the last one ended, and not quite as exactly.
    chosen = right[fitted.layer_, fitted.setting_]
    assert chosen >= max(right.values()) - 2
    assert fitted.cv_score_ == pytest.approx(chosen / 60, abs=2.1 / 60)


@pytest.mark.parametrize("classes", [2, 3])
def test_decisions_are_weighted_standard_scores(classes) -> None:
    X, y = planted(60, 8, classes=classes, dtype=np.float64)
    fitted = LogisticProbe(layer_width=4).fit(X, y)
    assert fitted.coef_.shape == (4, 1 if classes == 2 else 3)
    columns = X[:5, fitted.neurons_]
    expected = (columns - fitted.mean_) * fitted.per_unit_ @ fitted.coef_ + fitted.intercept_
    expected = expected[:, 0] if classes == 2 else expected
    np.testing.assert_allclose(fitted.decision_function(X[:5]), expected, rtol=1e-12)


def test_weights_are_where_the_penalised_likelihood_is_flat() -> None:
    X, y = planted(80, 5, strength=0.5, dtype=np.float64)
    fitted = LogisticProbe().fit(X, y)
    Z = (X - fitted.mean_) * fitted.per_unit_
    residual = fitted.predict_proba(X)[:, 1] - y
    slope = fitted.setting_ * Z.T @ residual + fitted.coef_[:, 0]
    np.testing.assert_allclose(slope, 0, atol=1e-4 * 80 * fitted.setting_)
    assert residual.sum() == pytest.approx(0, abs=0.01)  # the intercept isn't penalised


def test_a_constant_neuron_gets_no_say() -> None:
    X, y = planted(60, 6)
    X[:, 5] = 3.0
    fitted = LogisticProbe().fit(X, y)
    moved = X.copy()
    moved[:, 5] = 700.0
    np.testing.assert_array_equal(fitted.decision_function(X), fitted.decision_function(moved))
