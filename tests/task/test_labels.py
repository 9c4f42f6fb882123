from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.task.labels import DataWarning, is_multiple_choice, known_labels, label_set
from superneurons.task.record import Record


def record(number: int, label: str | None, **more: object) -> Record:
    return Record((Path(f"{number}.png"),), "Cat?", label, id=f"x:{number}", **more)


def task(*labels: str | None) -> list[Record]:
    return [record(number, label) for number, label in enumerate(labels)]


def test_labels_are_sorted() -> None:
    assert label_set(task("yes", "no", "maybe", "no", "yes", "maybe")) == ("maybe", "no", "yes")


@given(st.lists(st.sampled_from("abc"), min_size=6, max_size=12), st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_order_of_records_does_not_matter(extra: list[str], shuffler: random.Random) -> None:
    records = task(*"abcabc", *extra)
    shuffled = records.copy()
    shuffler.shuffle(shuffled)
    assert label_set(records) == label_set(shuffled) == ("a", "b", "c")


def test_no_records() -> None:
    with pytest.raises(DataError, match="no records"):
        label_set([])


def test_one_label_only() -> None:
    with pytest.raises(DataError, match="All 3 records have the label 'yes'"):
        label_set(task("yes", "yes", "yes"))


def test_every_label_needs_two_groups() -> None:
    records = [*task("no", "no", "maybe"), record(7, "yes"), record(7, "yes")]
    with pytest.raises(DataError, match="too few") as caught:
        label_set(records)
    assert [str(problem) for problem in caught.value.problems] == [
        "label 'maybe': 1 records, all in one group",
        "label 'yes': 2 records, all in one group",
    ]


def test_all_unusable_labels_are_listed() -> None:
    records = [*task("yes", None, "no"), record(9, "perhaps", options=("yes", "no"))]
    with pytest.raises(DataError, match="2 of 4") as caught:
        label_set(records)
    assert [problem.where for problem in caught.value.problems] == ["x:1", "x:9"]
    assert "'perhaps' is not one of 'yes', 'no'" in caught.value.problems[1].what


def test_known_labels_keep_their_order() -> None:
    assert known_labels(task("b", "a", "b")) == ["b", "a", "b"]


def test_labels_that_look_alike_are_warned_of() -> None:
    with pytest.warns(DataWarning, match="'Yes' and 'yes' are taken as different"):
        assert label_set(task("yes", "Yes", "yes", "Yes")) == ("Yes", "yes")


def test_an_option_without_examples_is_warned_of() -> None:
    options = ("yes", "no", "unsure")
    records = [record(i, "yes" if i % 2 else "no", options=options) for i in range(4)]
    with pytest.warns(DataWarning, match="'unsure'"):
        assert label_set(records) == ("no", "yes")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([None, None], False),
        ([("a", "b"), ("a", "b")], False),
        ([("a", "b"), ("b", "a")], False),
        ([("a", "b"), None], False),
        ([("a", "b"), ("a", "c")], True),
        ([], False),
    ],
)
def test_multiple_choice_means_differing_options(options: list, expected: bool) -> None:
    assert is_multiple_choice([record(1, None, options=each) for each in options]) is expected
