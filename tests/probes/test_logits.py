from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from superneurons.errors import DataError
from superneurons.probes.logits import CalibratedLogits, LabelLogits


def drawn(n: int, *, scale: float, biases: list[float], seed: int = 0):
    """Logits, and labels drawn from their softmax after scaling and shifting."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(n, len(biases)))
    p = softmax(scale * logits + biases, axis=1)
    return logits, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_the_largest_logit_wins_and_probabilities_are_its_softmax(n_classes) -> None:
    X = np.random.default_rng(0).normal(size=(50, n_classes))
    names = np.array(["a", "b", "c", "d", "e"])[:n_classes]
    fitted = LabelLogits().fit(X, names[np.arange(50) % n_classes])
    np.testing.assert_array_equal(fitted.predict(X), names[X.argmax(axis=1)])
    np.testing.assert_allclose(fitted.predict_proba(X), softmax(X, axis=1))


@pytest.mark.parametrize("read_out", [LabelLogits, CalibratedLogits])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_columns_relative_to_the_first_class_say_the_same(read_out, n_classes) -> None:
    X, y = drawn(300, scale=0.5, biases=[0.0, 1.0, -1.0][:n_classes])
    X[:, 0] = 0
    full, relative = read_out().fit(X, y), read_out().fit(X[:, 1:], y)
    np.testing.assert_array_equal(full.predict(X), relative.predict(X[:, 1:]))


def test_labels_teach_the_raw_logits_nothing() -> None:
    X, y = drawn(100, scale=1, biases=[0.0, 4.0])
    one, other = LabelLogits().fit(X, y), LabelLogits().fit(X, 1 - y)
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))


def test_two_classes_get_their_threshold_and_their_confidence_back() -> None:
    X, y = drawn(20_000, scale=0.5, biases=[0.0, 2.0])
    fitted = CalibratedLogits().fit(X, y)
    assert fitted.scale_ == pytest.approx(0.5, abs=0.03)
    assert fitted.biases_ == pytest.approx([0, 2], abs=0.3)
    assert fitted.score(X, y) > LabelLogits().fit(X, y).score(X, y) + 0.02


def test_many_classes_get_temperature_and_biases_back() -> None:
    biases = [0.0, 2.0, -1.0, 0.5]
    X, y = drawn(20_000, scale=0.4, biases=biases)
    fitted = CalibratedLogits().fit(X, y)
    assert fitted.scale_ == pytest.approx(0.4, abs=0.03)
    assert fitted.biases_ == pytest.approx(biases, abs=0.12)
    np.testing.assert_allclose(
        fitted.predict_proba(X).mean(axis=0), np.bincount(y) / len(y), atol=0.01
    )


@settings(max_examples=50, deadline=None)
@given(
    odds=arrays(np.float64, st.integers(4, 20), elements=st.integers(-3, 3)),
    data=st.data(),
)
def test_no_other_threshold_makes_fewer_errors(odds, data) -> None:
    y = data.draw(arrays(np.int64, len(odds), elements=st.integers(0, 1)))
    y[:2] = 0, 1
    errors = np.sum(CalibratedLogits().fit(odds[:, None], y).predict(odds[:, None]) != y)
    cuts = np.arange(-4.5, 4.5)
    assert errors == min(np.sum((odds > cut) != y) for cut in cuts)


def test_the_threshold_lies_half_way_between_separable_classes() -> None:
    fitted = CalibratedLogits().fit([[-4.0], [-2.0], [6.0], [7.0]], [0, 0, 1, 1])
    assert fitted.predict([[1.9], [2.1]]).tolist() == [0, 1]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_separable_logits_stay_finite(n_classes) -> None:
    y = np.arange(40) % n_classes
    fitted = CalibratedLogits().fit(20.0 * np.eye(n_classes)[y], y)
    assert np.isfinite(fitted.predict_proba(20.0 * np.eye(n_classes))).all()
    assert fitted.score(20.0 * np.eye(n_classes)[y], y) == 1


def test_constant_logits_give_the_most_frequent_class() -> None:
    for n_classes in (2, 3):
        y = np.array([0, 1, *range(n_classes), 1, 1, 1])
        fitted = CalibratedLogits().fit(np.ones((len(y), n_classes)), y)
        assert set(fitted.predict(np.ones((4, n_classes)))) == {1}


def test_too_few_columns_are_refused() -> None:
    with pytest.raises(DataError, match="too few columns for 3 classes"):
        LabelLogits().fit([[1.0], [2.0], [3.0]], ["a", "b", "c"])


def test_more_columns_than_classes_are_not_read() -> None:
    X, y = drawn(50, scale=1, biases=[0.0, 0.0])
    wide = np.concatenate([X, 100 + X], axis=1)
    fitted, plain = LabelLogits().fit(wide, y), LabelLogits().fit(X, y)
    assert fitted.neurons_.tolist() == [0, 1]
    np.testing.assert_array_equal(fitted.decision_function(wide), plain.decision_function(X))


def test_a_single_column_is_the_log_odds_of_the_second_class() -> None:
    odds = np.array([[-2.0], [0.0], [3.0]])
    fitted = LabelLogits().fit(odds, ["a", "b", "b"])
    assert fitted.decision_function(odds).tolist() == [-2.0, 0.0, 3.0]
    np.testing.assert_allclose(fitted.predict_proba(odds)[:, 1], 1 / (1 + np.exp(-odds[:, 0])))


@pytest.mark.parametrize("shift", [-7.0, 250.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_is_added_to_all_logits_of_a_record_changes_nothing(shift, n_classes) -> None:
    X, y = drawn(60, scale=1, biases=[0.0, 1.0, -1.0][:n_classes])
    fitted = CalibratedLogits().fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), fitted.predict_proba(X + shift), rtol=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_two_classes_scale_their_distance_from_the_threshold(seed) -> None:
    X, y = drawn(40, scale=0.7, biases=[0.0, 1.0], seed=seed)
    if len(set(y)) < 2:
        return
    fitted = CalibratedLogits().fit(X, y)
    odds = X[:, 1] - X[:, 0]
    assert fitted.biases_[0] == 0
    threshold = -fitted.biases_[1] / fitted.scale_
    decision = fitted.scale_ * (odds - threshold)
    np.testing.assert_allclose(fitted.decision_function(X), decision, atol=1e-9)
    # Platt's targets: the likelihood is flat in the scale, or the scale is at its end.
    n = np.bincount(y)
    aim = np.where(y == 1, (n[1] + 1) / (n[1] + 2), 1 / (n[0] + 2))
    slope = np.mean((1 / (1 + np.exp(-decision)) - aim) * (odds - threshold))
    assert slope == pytest.approx(0, abs=1e-4) or fitted.scale_ < 1e-5


def test_many_classes_are_where_the_penalised_likelihood_is_flat() -> None:
    X, y = drawn(90, scale=0.6, biases=[0.0, 1.5, -0.5], seed=3)
    fitted, unit = CalibratedLogits().fit(X, y), X.std()

    def loss(parameters: np.ndarray) -> float:
        z = np.exp(parameters[0]) * X / unit + np.append(0.0, parameters[1:])
        right = z[np.arange(90), y] - np.log(np.exp(z).sum(axis=1))
        return float(-right.mean() + 1e-4 * parameters @ parameters)

    found = np.append(np.log(fitted.scale_ * unit), fitted.biases_[1:])
    for direction in np.concatenate([np.eye(3), -np.eye(3)]):
        assert loss(found) < loss(found + 0.02 * direction)
    np.testing.assert_allclose(
        fitted.decision_function(X), X * fitted.scale_ + fitted.biases_, rtol=1e-12
    )
