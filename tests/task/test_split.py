from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.task.groups import group_ids
from superneurons.task.record import Record
from superneurons.task.split import grouped_split


def record(picture: int, label: str | None, **more: object) -> Record:
    return Record((Path(f"{picture}.png"),), "Cat?", label, **more)


def simple(n: int, labels: str = "ab") -> list[Record]:
    return [record(i, labels[i % len(labels)]) for i in range(n)]


@st.composite
def tasks(draw: st.DrawFn) -> list[Record]:
    rows = st.tuples(st.integers(0, 12), st.sampled_from("abc"))
    records = [record(picture, label) for picture, label in draw(st.lists(rows, max_size=30))]
    # four pictures of its own for every label, so that a split exists
    return records + [record(100 + i, label) for i, label in enumerate("abcabcabcabc")]


@given(tasks(), st.floats(0.1, 0.9), st.integers(0, 2**31 - 1))
@settings(max_examples=50, deadline=None)
def test_groups_stay_whole_and_labels_are_on_both_sides(
    records: list[Record], test_size: float, seed: int
) -> None:
    train, test = grouped_split(records, test_size=test_size, seed=seed)
    groups = group_ids(records)
    assert sorted([*train, *test]) == list(range(len(records)))
    assert not set(groups[train]) & set(groups[test])
    for side in (train, test):
        assert {records[i].label for i in side} == set("abc")
        assert list(side) == sorted(side)


@given(tasks(), st.integers(0, 100), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_records_does_not_matter(
    records: list[Record], seed: int, random: object
) -> None:
    order = random.sample(range(len(records)), len(records))
    shuffled = [records[i] for i in order]
    _, test = grouped_split(records, test_size=0.3, seed=seed)
    _, test_shuffled = grouped_split(shuffled, test_size=0.3, seed=seed)
    assert sorted(order[i] for i in test_shuffled) == test.tolist()


@pytest.mark.parametrize("test_size", [0.05, 0.2, 0.25, 0.3, 0.5, 0.7])
def test_the_share_and_the_strata_are_met(test_size: float) -> None:
    records = simple(400, labels="aaab")
    _, test = grouped_split(records, test_size=test_size, seed=1)
    assert len(test) / 400 == pytest.approx(test_size, abs=0.01)
    share = np.mean([records[i].label == "b" for i in test])
    assert share == pytest.approx(0.25, abs=0.02)


def test_the_seed_decides() -> None:
    records = simple(60)
    splits = [grouped_split(records, test_size=0.25, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_the_smallest_task_is_split() -> None:
    train, test = grouped_split(simple(4), test_size=0.25, seed=0)
    assert len(train) == len(test) == 2


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_rare_label_does_not_spoil_the_share(seed: int) -> None:
    records = [*simple(98), record(1000, "rare"), record(1001, "rare")]
    _, test = grouped_split(records, test_size=0.25, seed=seed)
    assert 20 <= len(test) <= 30
    assert [records[i].label for i in test].count("rare") == 1


def test_given_groups_are_kept() -> None:
    records = [record(i, "ab"[i % 2], group=f"patient {i // 6}") for i in range(60)]
    train, test = grouped_split(records, test_size=0.3, seed=0)
    assert len(test) == 18
    assert not {records[i].group for i in train} & {records[i].group for i in test}


def test_multiple_choice_is_split_by_group_alone() -> None:
    records = [
        record(i // 2, f"answer {i}", options=(f"answer {i}", f"other {i}")) for i in range(20)
    ]
    train, test = grouped_split(records, test_size=0.2, seed=0)
    assert len(test) == 4
    assert not {i // 2 for i in train} & {i // 2 for i in test}


def test_a_label_in_one_group_cannot_be_split() -> None:
    with pytest.raises(DataError, match="nothing to split") as caught:
        grouped_split([*simple(10), record(99, "c"), record(99, "c")], test_size=0.5, seed=0)
    assert [problem.where for problem in caught.value.problems] == ["label 'c'"]


def test_one_picture_for_all_cannot_be_split() -> None:
    with pytest.raises(DataError, match="nothing to split") as caught:
        grouped_split([record(0, label) for label in "abab"], test_size=0.5, seed=0)
    assert "group" in str(caught.value.mend)


def test_an_impossible_split_is_refused() -> None:
    # a lies in groups 1 and 2, b in 2 and 3, c in 1 and 3: one side always lacks one
    pairs = [(1, "a"), (2, "a"), (2, "b"), (3, "b"), (1, "c"), (3, "c")]
    with pytest.raises(DataError, match="No split"):
        grouped_split([record(*pair) for pair in pairs], test_size=0.3, seed=0)


@pytest.mark.parametrize("test_size", [0.0, 1.0, -1, 30])
def test_the_share_must_be_a_share(test_size: float) -> None:
    with pytest.raises(DataError, match="test_size"):
        grouped_split(simple(10), test_size=test_size, seed=0)


def test_missing_labels_and_no_records_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 11"):
        grouped_split([*simple(10), record(11, None)], test_size=0.5, seed=0)
    with pytest.raises(DataError, match="nothing to split"):
        grouped_split([], test_size=0.5, seed=0)


@given(st.lists(st.text(max_size=3), min_size=2, max_size=4, unique=True))
@settings(max_examples=30, deadline=None)
def test_any_text_is_a_label(labels: list[str]) -> None:
    assume(all(labels))
    records = [record(i, labels[i % len(labels)]) for i in range(6 * len(labels))]
    _, test = grouped_split(records, test_size=0.5, seed=0)
    assert {records[i].label for i in test} == set(labels)
