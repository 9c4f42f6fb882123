from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from superneurons.evaluate.calibration import (
    brier_score,
    expected_calibration_error,
    reliability,
)  # fmt: skip


def drawn(n: int, n_classes: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(n_classes), size=n)
    return p, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_that_made_the_labels_are_calibrated(n_classes) -> None:
    p, codes = drawn(100_000, n_classes)
    assert expected_calibration_error(p, codes) < 0.01


def test_overconfidence_shows() -> None:
    p, codes = drawn(50_000, 2)
    sharper = p**4 / (p**4).sum(axis=1, keepdims=True)
    assert expected_calibration_error(sharper, codes) > 0.1
    assert brier_score(sharper, codes) > brier_score(p, codes) + 0.02


def test_answers_are_in_bins_of_their_confidence() -> None:
    p = np.array([[0.1, 0.9], [0.12, 0.88], [0.45, 0.55], [1.0, 0.0]])
    edges, counts, confidence, accuracy = reliability(p, np.array([1, 0, 1, 0]), n_bins=10)
    np.testing.assert_allclose(edges, np.arange(11) / 10)
    assert counts.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 1, 2]
    np.testing.assert_allclose(confidence[[5, 8, 9]], [0.55, 0.88, 0.95])
    np.testing.assert_allclose(accuracy[[5, 8, 9]], [1, 0, 1])
    assert confidence[0] == accuracy[0] == 0


def test_the_error_is_what_the_bins_are_off() -> None:
    p, codes = drawn(500, 3)
    _, counts, confidence, accuracy = reliability(p, codes)
    assert counts.sum() == 500
    off = (counts * abs(confidence - accuracy)).sum() / 500
    assert expected_calibration_error(p, codes) == pytest.approx(off)


def test_by_hand() -> None:
    p = np.array([[0.1, 0.9], [0.1, 0.9], [0.45, 0.55], [1.0, 0.0]])
    codes = np.array([1, 0, 1, 0])
    # Bins: {0.9, 0.9} right 1 of 2; {0.55} right; {1.0} right.
    assert expected_calibration_error(p, codes) == pytest.approx((abs(1 - 1.8) + 0.45 + 0) / 4)
    assert brier_score(p, codes) == pytest.approx((0.01 + 0.81 + 0.2025 + 0) / 4)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(4, 40), n_classes=st.integers(2, 4), seed=st.integers(0, 999))
def test_brier_is_scikit_learns_and_ece_is_bounded(n, n_classes, seed) -> None:
    p, codes = drawn(n, n_classes, seed)
    codes[:n_classes] = range(n_classes)
    ours = brier_score(p, codes)
    labels = list(range(n_classes))
    theirs = brier_score_loss(codes, p[:, 1] if n_classes == 2 else p, labels=labels)
    assert ours == pytest.approx(theirs)
    assert 0 <= expected_calibration_error(p, codes) <= 1


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), n_classes=st.integers(2, 4), seed=st.integers(0, 999))
def test_neither_hangs_on_the_order_and_certainty_is_the_extreme(n, n_classes, seed) -> None:
    p, codes = drawn(n, n_classes, seed)
    codes = np.minimum(codes, n_classes - 1)
    order = np.random.default_rng(seed).permutation(n)
    for measure in (brier_score, expected_calibration_error):
        assert measure(p[order], codes[order]) == pytest.approx(measure(p, codes))
        assert measure(np.eye(n_classes)[codes], codes) == 0
        wrong = np.eye(n_classes)[(codes + 1) % n_classes]
        worst = 1.0 if measure is expected_calibration_error or n_classes == 2 else 2.0
        assert measure(wrong, codes) == worst


@pytest.mark.parametrize("n_bins", [1, 2, 15, 100])
def test_fewer_bins_never_find_more(n_bins) -> None:
    p, codes = drawn(500, 3)
    one = expected_calibration_error(p, codes, n_bins=1)
    assert one <= expected_calibration_error(p, codes, n_bins=n_bins) + 1e-12
    assert one == pytest.approx(abs((p.argmax(axis=1) == codes).mean() - p.max(axis=1).mean()))
