from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import balanced_accuracy_score

from devices import DEVICES
from superneurons.errors import DataError
from superneurons.probes.thresholds import best_cuts

from .synthetic import planted


def by_trying(column, y, metric, signed):
    """The best score over cuts between, below and above all activations."""
    values = np.unique(column.astype(np.float64))
    cuts = [values[0] - 1, *(values[:-1] + values[1:]) / 2, values[-1] + 1]
    answers = [column.astype(np.float64) > cut for cut in cuts]
    answers += [~answer for answer in answers] if signed else []
    score = (
        balanced_accuracy_score if metric == "balanced_accuracy" else lambda a, b: np.mean(a == b)
    )
    return max(score(y, answer) for answer in answers)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=st.integers(2, 12), signed=st.booleans(), half=st.booleans())
def test_no_other_cut_is_better_and_this_one_is_as_good_as_it_says(
    metric, data, n, signed, half
) -> None:
    width = 16 if half else 32
    elements = st.floats(-4, 4, width=width) | st.sampled_from([0.0, -0.0, 1.0])
    X = data.draw(arrays(np.float16 if half else np.float32, (n, 3), elements=elements))
    y = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    y[:2] = False, True
    cuts = best_cuts(X, y, metric, signed=signed, chunk=2)
    for d in range(3):
        assert cuts.scores[d] == pytest.approx(by_trying(X[:, d], y, metric, signed))
        answer = cuts.polarities[d] * (X[:, d].astype(np.float64) - cuts.thresholds[d]) > 0
        achieved = balanced_accuracy_score(y, answer) if "b" in metric else np.mean(answer == y)
        assert achieved == pytest.approx(cuts.scores[d])
    assert signed or (cuts.polarities == 1).all()


FEW = st.sampled_from([-2.0, -0.5, -0.0, 0.0, 0.5, 3.0])


def first_best(column, y, metric, signed):
    """Score, threshold and polarity by counting: cuts from the lowest up, "yes" above first."""
    values = sorted({float(value) + 0.0 for value in column})
    ends = [values[0] - 1, *values, values[-1] + 1]
    places = list(range(len(ends) - 1))
    n_yes, n_no = sum(y), len(y) - sum(y)
    best = (Fraction(-1), 0.0, 0.0, 0)
    for polarity in (1, -1) if signed else (1,):
        for place in places:
            low, high = ends[place], ends[place + 1]
            says = [(value >= high) == (polarity == 1) for value in column.tolist()]
            yes = sum(said and right for said, right in zip(says, y, strict=True))
            no = sum(not said and not right for said, right in zip(says, y, strict=True))
            score = Fraction(yes + no, len(y))
            if metric == "balanced_accuracy":
                score = (Fraction(yes, n_yes) + Fraction(no, n_no)) / 2
            if score > best[0]:
                best = (
                    score,
                    -np.inf if place == 0 else low,
                    np.inf if place == places[-1] else high,
                    polarity,
                )
    return best


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    n=st.integers(2, 10),
    signed=st.booleans(),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_of_equal_activations_and_equal_cuts_the_choice_is_the_first(
    metric, data, n, signed, dtype
) -> None:
    X = data.draw(arrays(dtype, (n, 3), elements=FEW))
    y = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    y[:2] = False, True
    cuts = best_cuts(X, y, metric, signed=signed, chunk=2)
    for d in range(3):
        score, low, high, polarity = first_best(X[:, d], y, metric, signed)
        assert cuts.scores[d] == pytest.approx(float(score), rel=1e-12)
        assert cuts.polarities[d] == polarity
        if np.isfinite(low) and np.isfinite(high):
            assert cuts.thresholds[d] == (low + high) / 2
        assert low < cuts.thresholds[d] < high


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=st.integers(2, 10))
def test_what_a_cut_is_worth_hangs_on_order_alone(data, n) -> None:
    X = data.draw(arrays(np.float16, (n, 2), elements=FEW))
    y = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    y[:2] = False, True
    plain = best_cuts(X, y)
    # Stretched, turned over, with the answers exchanged, in another order: the same cuts.
    np.testing.assert_array_equal(best_cuts(X**3 + X, y).scores, plain.scores)
    np.testing.assert_array_equal(best_cuts(-X, y).scores, plain.scores)
    np.testing.assert_array_equal(best_cuts(X, ~y).scores, plain.scores)
    assert (plain.scores >= best_cuts(X, y, signed=False).scores).all()
    order = np.array(data.draw(st.permutations(range(n))))
    shuffled = best_cuts(X[order], y[order])
    for part in ("scores", "thresholds", "polarities"):
        np.testing.assert_array_equal(getattr(shuffled, part), getattr(plain, part))
    # Every sample twice is every count twice.
    np.testing.assert_array_equal(
        best_cuts(np.repeat(X, 2, 0), np.repeat(y, 2)).scores, plain.scores
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_thresholds_and_signs_are_found_wherever_they_are(dtype) -> None:
    X, y = planted(300, 4, informative=4, strength=5)
    moved = (X * [1, -1, 2, -0.01] + [0, 20, -300, 1]).astype(dtype)
    cuts = best_cuts(moved, y)
    assert (cuts.scores > 0.98).all()
    assert cuts.polarities.tolist() == [1, -1, 1, -1]
    np.testing.assert_allclose(cuts.thresholds, [0, 20, -300, 1], atol=4)


def test_extreme_values_are_ordered_right() -> None:
    column = np.array([-65504, -1, -6e-8, 0, 6e-8, 1, 65504], dtype=np.float16)
    for cut in range(1, 7):
        cuts = best_cuts(column[:, None], np.arange(7) >= cut)
        assert cuts.scores[0] == 1
        low, high = sorted((float(column[cut - 1]), float(column[cut])))
        assert low < cuts.thresholds[0] < high


def test_a_constant_neuron_gets_the_share_of_the_larger_class() -> None:
    cuts = best_cuts(np.full((10, 1), 3.0, dtype=np.float16), np.arange(10) < 3)
    assert cuts.scores.tolist() == [0.7]
    balanced = best_cuts(np.full((10, 1), 3.0), np.arange(10) < 3, "balanced_accuracy")
    assert balanced.scores.tolist() == [0.5]


def test_chunks_and_order_change_nothing() -> None:
    X, y = planted(101, 30, dtype=np.float16, strength=0.5)
    order = np.random.default_rng(0).permutation(101)
    one, other = best_cuts(X, y), best_cuts(X[order], y[order], chunk=7)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.thresholds, other.thresholds)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_a_tensor_on_any_device_is_cut_as_its_array(device, dtype, metric) -> None:
    # Rounded, so that many activations are equal and many cuts equally good.
    X, y = planted(301, 70, dtype=dtype, strength=0.5)
    X = X.round(1)
    expected = best_cuts(X, y, metric)
    found = best_cuts(torch.from_numpy(X).to(device), y, metric, chunk=32)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.thresholds, expected.thresholds)
    np.testing.assert_array_equal(found.polarities, expected.polarities)


def test_the_input_is_left_as_it_was() -> None:
    X, y = planted(50, 5, dtype=np.float16)
    copy = X.copy()
    best_cuts(X, y)
    np.testing.assert_array_equal(X, copy)


@pytest.mark.parametrize(
    ("X", "y", "metric"),
    [
        (np.zeros((3, 2)), [True, False], "accuracy"),
        (np.zeros((2, 2)), [True, True], "accuracy"),
        (np.zeros((2, 2)), [True, False], "f1"),
        (np.full((2, 2), np.inf), [True, False], "accuracy"),
    ],
)
def test_bad_input_is_refused(X, y, metric) -> None:
    with pytest.raises(DataError):
        best_cuts(X, y, metric)
