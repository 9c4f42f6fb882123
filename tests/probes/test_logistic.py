from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from superneurons.probes.logistic import LogisticProbe

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
