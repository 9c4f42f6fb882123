from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from superneurons.errors import DataError
from superneurons.evaluate.metrics import score
from superneurons.evaluate.paired import mcnemar, paired_difference

CLASSES = ["no", "yes"]


@settings(max_examples=40, deadline=None)
@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_mcnemar_is_a_fair_coin_on_the_samples_that_differ(pairs) -> None:
    a, b = np.array(pairs).T
    only_a, only_b = np.sum(a & ~b), np.sum(b & ~a)
    n = only_a + only_b
    expected = min(1.0, 2 * binom.cdf(min(only_a, only_b), n, 0.5)) if n else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)
    assert mcnemar(a, b) == mcnemar(b, a)


def answers(n: int, accuracies, *, seed: int = 0, size: int = 1):
    """Truth, and answers right with the given probabilities; groups of ``size`` stand together."""
    rng = np.random.default_rng(seed)
    true = np.array(CLASSES)[rng.integers(0, 2, n * size)]
    wrong = np.where(true == "no", "yes", "no")
    groups = np.repeat(np.arange(n), size).tolist()
    given_ = [
        np.where(np.repeat(rng.random(n) < accuracy, size), true, wrong).tolist()
        for accuracy in accuracies
    ]
    return true.tolist(), given_, groups


@pytest.mark.parametrize("rate", ["accuracy", "balanced_accuracy", "f1"])
def test_the_difference_is_that_of_the_scores(rate) -> None:
    true, (a, b), _ = answers(300, [0.9, 0.7])
    found = paired_difference(true, a, b, classes=CLASSES, rate=rate)
    scores = [getattr(score(true, x, classes=CLASSES), rate) for x in (a, b)]
    assert found.difference == pytest.approx(scores[0] - scores[1])
    assert found.interval[0] < found.difference < found.interval[1]
    assert found.p_value < 0.01
    turned = paired_difference(true, b, a, classes=CLASSES, rate=rate)
    assert turned.difference == pytest.approx(-found.difference)
    assert turned.p_value == found.p_value


def test_the_same_answers_differ_by_nothing() -> None:
    true, (a,), _ = answers(100, [0.8])
    same = paired_difference(true, a, a, classes=CLASSES)
    assert (same.difference, same.interval, same.p_value) == (0.0, (0.0, 0.0), 1.0)


@pytest.mark.parametrize("size", [1, 5])
def test_equally_good_read_outs_are_seldom_told_apart(size) -> None:
    told_apart = 0
    for seed in range(100):
        true, (a, b), groups = answers(60, [0.8, 0.8], seed=seed, size=size)
        found = paired_difference(true, a, b, classes=CLASSES, groups=groups)
        told_apart += found.p_value < 0.05
    assert told_apart <= 12


def test_pairing_sees_more_than_two_intervals_do() -> None:
    true, (a, _), _ = answers(400, [0.8, 0.5])
    b = a.copy()
    for i in [i for i in range(400) if a[i] == true[i]][:14]:
        b[i] = "no" if true[i] == "yes" else "yes"
    found = paired_difference(true, a, b, classes=CLASSES)
    low, high = score(true, a, classes=CLASSES).balanced_accuracy_interval
    assert low < score(true, b, classes=CLASSES).balanced_accuracy < high
    assert found.interval[0] > 0


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="same samples"):
        mcnemar([True], [True, False])
    with pytest.raises(DataError, match="'recall'"):
        paired_difference(["no"], ["no"], ["no"], classes=CLASSES, rate="recall")
    with pytest.raises(DataError, match="as many"):
        paired_difference(["no"], ["no"], ["no", "no"], classes=CLASSES)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), size=st.integers(1, 3))
def test_the_order_of_samples_changes_nothing(seed, size) -> None:
    true, (a, b), groups = answers(30, [0.8, 0.6], seed=seed, size=size)
    order = np.random.default_rng(seed).permutation(len(true))
    turned = [[values[i] for i in order] for values in (true, a, b, groups)]
    one = paired_difference(true, a, b, classes=CLASSES, groups=groups)
    assert one == paired_difference(*turned[:3], classes=CLASSES, groups=turned[3])
    assert -1 <= one.interval[0] <= one.interval[1] <= 1
    assert 0 < one.p_value <= 1


def test_a_clear_difference_is_clear_whichever_class_is_rare() -> None:
    true = ["no"] * 190 + ["yes"] * 10
    always, knows = ["no"] * 200, true
    found = paired_difference(true, knows, always, classes=CLASSES)
    assert found.difference == 0.5
    assert found.interval == (0.5, 0.5)
    in_accuracy = paired_difference(true, knows, always, classes=CLASSES, rate="accuracy")
    assert in_accuracy.difference == pytest.approx(0.05)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1, 3])
def test_turning_a_pair_round_turns_its_sign_alone(seed, size) -> None:
    """Kinds of samples are drawn in another order, so ends and p are those of other draws."""
    true, (a, b), groups = answers(30, [0.8, 0.6], seed=seed, size=size)
    found = paired_difference(true, a, b, classes=CLASSES, groups=groups, seed=seed)
    back = paired_difference(true, b, a, classes=CLASSES, groups=groups, seed=seed)
    assert back.difference == pytest.approx(-found.difference)
    turned = (-found.interval[1], -found.interval[0])
    assert back.interval == pytest.approx(turned, abs=0.05)
    assert back.p_value == pytest.approx(found.p_value, abs=0.08)
    assert 1 / 1001 <= found.p_value <= 1
    if found.p_value < 0.03:
        assert found.interval[0] > 0 or found.interval[1] < 0
