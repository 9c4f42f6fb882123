from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, choices
from superneurons.errors import DataError
from superneurons.evaluate.paired import paired_difference
from superneurons.evaluate.robustness.seed_scores import (
    seed_difference,
    seed_scores,
    spread_interval,
)
from superneurons.evaluate.scoring import score_records
from superneurons.task.groups import group_ids
from superneurons.task.record import Record

LABELS = ("no", "yes")
RECORDS = bright_records(40)
TRUTH = [str(record.label) for record in RECORDS]


def spoilt(share: float, seed: int, truth: Sequence[str] = TRUTH) -> list[str]:
    """Right answers, of which some were turned."""
    rng = np.random.default_rng(seed)
    return [{"yes": "no", "no": "yes"}[a] if rng.random() < share else a for a in truth]


def test_one_seed_is_scored_as_ever() -> None:
    given = spoilt(0.2, 0)
    found, ever = (
        seed_scores(RECORDS, [given], labels=LABELS), score_records(RECORDS, given, labels=LABELS)
    )  # fmt: skip
    assert found.balanced_accuracy == ever.balanced_accuracy
    assert found.balanced_accuracy_interval == ever.balanced_accuracy_interval
    assert (found.f1, found.f1_interval) == (ever.f1, ever.f1_interval)
    assert (found.accuracy, found.majority, found.n) == (ever.accuracy, ever.majority, ever.n)


def test_seeds_are_averaged() -> None:
    each = [spoilt(0.1, 1), spoilt(0.4, 2), spoilt(0.2, 3)]
    found = seed_scores(RECORDS, each, labels=LABELS)
    alone = [seed_scores(RECORDS, [given], labels=LABELS).balanced_accuracy for given in each]
    assert found.by_seed == pytest.approx(tuple(alone))
    assert found.balanced_accuracy == pytest.approx(np.mean(alone))
    low, high = found.balanced_accuracy_interval
    assert low < found.balanced_accuracy < high


def test_a_seed_twice_makes_nothing_surer() -> None:
    once = seed_scores(RECORDS, [spoilt(0.2, 0)], labels=LABELS)
    twice = seed_scores(RECORDS, [spoilt(0.2, 0)] * 2, labels=LABELS)
    assert twice.balanced_accuracy_interval == once.balanced_accuracy_interval
    other = seed_scores(RECORDS, [spoilt(0.2, 0), spoilt(0.2, 1)], labels=LABELS)
    assert np.ptp(other.balanced_accuracy_interval) < np.ptp(once.balanced_accuracy_interval)


def test_groups_are_drawn_whole() -> None:
    """Four times the same question on each picture is no more than once."""
    grouped = [replace(r, group=f"g{i}") for i, r in enumerate(RECORDS)]
    given = spoilt(0.3, 0)
    once = seed_scores(grouped, [given], labels=LABELS)
    four = seed_scores(grouped * 4, [given * 4], labels=LABELS)
    width, alone = np.ptp(four.balanced_accuracy_interval), np.ptp(once.balanced_accuracy_interval)
    assert width == pytest.approx(alone, rel=0.25)


def test_options_of_their_own_are_scored_by_place() -> None:
    records: list[Record] = choices(30)
    right = [str(record.label) for record in records]
    found = seed_scores(records, [right, [""] * 30], labels=())
    assert found.by_seed == (1.0, 0.0)
    assert 1 / 3 <= found.majority < 1


def test_differences_are_those_of_the_paired_bootstrap() -> None:
    a, b = spoilt(0.1, 0), spoilt(0.3, 1)
    found = seed_difference(RECORDS, [a], [b], labels=LABELS)
    ever = paired_difference(TRUTH, a, b, classes=LABELS, groups=group_ids(RECORDS).tolist())
    assert found.difference == pytest.approx(ever.difference)
    assert found.interval == pytest.approx(ever.interval)


def test_the_same_answers_are_no_better() -> None:
    a = [spoilt(0.1, 0), spoilt(0.2, 1)]
    found = seed_difference(RECORDS, a, a[::-1], labels=LABELS)
    assert (found.difference, found.interval) == (0, (0, 0))


def test_one_may_have_run_with_fewer_seeds() -> None:
    better, worse = [TRUTH, TRUTH, spoilt(0.1, 0)], [spoilt(0.4, 5)]
    found = seed_difference(RECORDS, better, worse, labels=LABELS)
    assert found.difference > found.interval[0] > 0
    back = seed_difference(RECORDS, worse, better, labels=LABELS)
    assert back.difference == pytest.approx(-found.difference)


def test_without_seeds_there_is_nothing_to_score() -> None:
    with pytest.raises(DataError, match="no answers"):
        seed_scores(RECORDS, [], labels=LABELS)
    with pytest.raises(DataError, match="no answers"):
        seed_difference(RECORDS, [TRUTH], [], labels=LABELS)


def test_answers_that_are_too_few_are_refused() -> None:
    with pytest.raises(DataError, match="as many"):
        seed_scores(RECORDS, [TRUTH[1:]], labels=LABELS)


def test_both_are_json() -> None:
    scores = seed_scores(RECORDS, [TRUTH], labels=LABELS).as_dict()
    assert json.loads(json.dumps(scores)) == scores
    assert scores["by_seed"] == [1.0]
    difference = seed_difference(RECORDS, [TRUTH], [TRUTH], labels=LABELS).as_dict()
    assert json.loads(json.dumps(difference)) == {"difference": 0.0, "interval": [0.0, 0.0]}


def test_the_spread_of_draws_holds_their_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(0.5, 0.05, size=(400, 5))
    held = [low <= 0.5 <= high for low, high in map(spread_interval, draws.tolist())]
    assert 0.92 < np.mean(held) < 0.98


def test_one_draw_says_nothing() -> None:
    assert spread_interval([0.7]) == (0.0, 1.0)


def test_intervals_of_shares_are_shares() -> None:
    assert spread_interval([0.0, 1.0]) == (0.0, 1.0)


def test_the_majority_of_own_options_is_a_place_and_no_name() -> None:
    """Every right answer is called otherwise; two of three stand first."""
    records = [
        replace(RECORDS[i], options=(f"a{i}", f"b{i}"), label=f"{'b' if i % 3 == 2 else 'a'}{i}")
        for i in range(12)
    ]
    found = seed_scores(records, [[str(record.label) for record in records]], labels=())
    assert found.majority == pytest.approx(2 / 3)
    mixed = seed_scores(RECORDS[:9], [TRUTH[:9]], labels=LABELS)
    assert mixed.majority == pytest.approx(5 / 9)
    assert mixed.n == 9


def test_intervals_of_two_draws_are_students() -> None:
    """With one degree of freedom the 97.5 % point is 12.706."""
    low, high = spread_interval([0.50, 0.52])
    half = 12.7062 * np.std([0.50, 0.52], ddof=1) / np.sqrt(2)
    assert (low, high) == pytest.approx((0.51 - half, 0.51 + half), abs=1e-4)
    assert spread_interval([0.3, 0.3, 0.3]) == pytest.approx((0.3, 0.3))


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(40)), seed=st.integers(0, 9))
def test_the_order_of_records_changes_no_score(order: list[int], seed: int) -> None:
    given_ = [spoilt(0.2, 0), spoilt(0.3, 1)]
    mixed = [[answers[i] for i in order] for answers in given_]
    records = [RECORDS[i] for i in order]
    straight = seed_scores(RECORDS, given_, labels=LABELS, seed=seed)
    assert seed_scores(records, mixed, labels=LABELS, seed=seed) == straight
    other = seed_difference(RECORDS, given_[:1], given_[1:], labels=LABELS, seed=seed)
    assert seed_difference(records, mixed[:1], mixed[1:], labels=LABELS, seed=seed) == other
