from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scores import Metric, neuron_scores
from superneurons.scale.counts import SignCounts


def made(n: int = 61, p: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.random(n) < 0.4
    X = rng.normal(size=(n, p)).astype(np.float16)
    X[:, :40] += np.where(y, 1, -1)[:, None].astype(np.float16)
    X[:, 50] = 0
    return X, y


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
@pytest.mark.parametrize("parts", [1, 2, 7, 61])
def test_scores_of_parts_are_those_of_the_whole(metric: Metric, parts: int) -> None:
    X, y = made()
    counts = SignCounts.none(X.shape[1])
    for rows in np.array_split(np.random.default_rng(1).permutation(len(y)), parts):
        counts = counts.plus(X[rows], y[rows])
    assert np.array_equal(counts.scores(metric), neuron_scores(X, y, metric))


def test_the_paper_s_rule_finds_the_same_best_score() -> None:
    X, y = made()
    counts = SignCounts.none(X.shape[1]).plus(X[:20], y[:20]).plus(X[20:], y[20:])
    fitted = PaperSuperNeurons().fit(X, np.where(y, "yes", "no"))
    scores = counts.scores("accuracy")
    assert scores.max() == fitted.best_score_
    assert np.array_equal(scores[fitted.neurons_], fitted.scores_)
    assert np.array_equal(np.flatnonzero(scores > fitted.threshold_ + 1e-9), fitted.neurons_)


def test_processes_sum_one_array() -> None:
    X, y = made()
    mine = SignCounts.none(X.shape[1]).plus(X[:30], y[:30])
    other = SignCounts.none(X.shape[1]).plus(X[30:], y[30:])
    both = mine.summed(lambda counts: counts + other.as_array())
    assert (both.n_positive, both.n_negative) == (int(y.sum()), int((~y).sum()))
    assert np.array_equal(both.scores(), neuron_scores(X, y))
    assert mine.as_array().dtype == np.int64


def test_what_is_no_number_is_refused() -> None:
    X, y = made()
    X[3, 7] = np.nan
    with pytest.raises(DataError, match="sample 3"):
        SignCounts.none(X.shape[1]).plus(X, y)


ROWS = st.lists(
    st.tuples(st.booleans(), st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=3, max_size=3)),
    max_size=12,
)


def counted(rows: list[tuple[bool, list[float]]]) -> SignCounts:
    X = np.array([row for _, row in rows]).reshape(-1, 3)
    return SignCounts.none(3).plus(X, np.array([positive for positive, _ in rows], dtype=bool))


@settings(max_examples=30, deadline=None)
@given(ROWS, ROWS)
def test_counts_are_those_of_rows_above_nought(
    some: list[tuple[bool, list[float]]], others: list[tuple[bool, list[float]]]
) -> None:
    whole = counted(some) + counted(others)
    rows = some + others
    for neuron in range(3):
        fired = [positive for positive, row in rows if row[neuron] > 0]
        assert whole.true_positives[neuron] == sum(fired)
        assert whole.false_positives[neuron] == len(fired) - sum(fired)
    assert whole.n_positive == sum(positive for positive, _ in rows)
    assert whole.n_positive + whole.n_negative == len(rows)
    for same in (counted(others) + counted(some), counted(rows), whole + SignCounts.none(3)):
        assert np.array_equal(same.as_array(), whole.as_array())


@settings(max_examples=20, deadline=None)
@given(ROWS)
def test_one_array_holds_all_of_it(rows: list[tuple[bool, list[float]]]) -> None:
    counts = counted(rows)
    packed = counts.as_array()
    assert packed.shape == (2, 4)
    assert packed[:, -1].tolist() == [counts.n_positive, counts.n_negative]
    back = SignCounts.from_array(packed)
    assert np.array_equal(back.true_positives, counts.true_positives)
    assert np.array_equal(back.false_positives, counts.false_positives)
    assert (type(back.n_positive), type(back.n_negative)) == (int, int)
    assert np.array_equal(counts.summed(lambda mine: 3 * mine).as_array(), 3 * packed)


def test_counting_changes_nothing_that_was_counted_before() -> None:
    X, y = made()
    before = SignCounts.none(X.shape[1]).plus(X[:5], y[:5])
    kept = before.as_array().copy()
    before.plus(X[5:], y[5:])
    assert (before + before).n_positive == 2 * before.n_positive
    assert np.array_equal(before.as_array(), kept)
    assert not SignCounts.none(4).as_array().any()
