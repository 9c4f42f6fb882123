from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.task.labels import label_set
from superneurons.task.record import Record
from superneurons.task.unroll import Unrolled, balance, roll_up, unroll

words = st.text(min_size=1, max_size=6)


@st.composite
def choices(draw: st.DrawFn, labelled: bool = True) -> list[Record]:
    records = []
    for number in range(draw(st.integers(0, 6))):
        options = tuple(draw(st.lists(words, min_size=2, max_size=5, unique=True)))
        label = draw(st.sampled_from(options)) if labelled else None
        records.append(Record((Path(f"{number}.png"),), draw(words), label, options))
    return records


def truth(unrolled: Unrolled) -> list[float]:
    return [float(record.label == "yes") for record in unrolled.records]


@given(choices())
@settings(max_examples=50, deadline=None)
def test_rolling_up_the_truth_gives_the_labels_back(records: list[Record]) -> None:
    unrolled = unroll(records)
    assert roll_up(truth(unrolled), unrolled) == [record.label for record in records]


@given(choices(labelled=False), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_each_question_is_answered_by_itself(records: list[Record], random: object) -> None:
    def answers(rows: list[Record]) -> list[str]:
        unrolled = unroll(rows)
        scores = [
            sum(map(ord, record.question)) % 97 for record in unrolled.records
        ]  # any function of the record
        return roll_up(scores, unrolled)

    order = random.sample(range(len(records)), len(records))
    expected = answers(records)
    assert answers([records[i] for i in order]) == [expected[i] for i in order]


def test_one_yes_per_question_in_the_order_of_its_options() -> None:
    parent = Record((Path("a.png"),), "What {is} it?", "b", ("c", "b", "{a}"), "g", "x:1")
    unrolled = unroll([parent])
    assert [record.label for record in unrolled.records] == ["no", "yes", "no"]
    assert unrolled.options == ("c", "b", "{a}")
    assert unrolled.parents.tolist() == [0, 0, 0]
    assert unrolled.parents.dtype == np.int64
    last = unrolled.records[2]
    assert last.question == "What {is} it? Is it {a}? Answer yes or no."
    assert (last.images, last.group, last.id, last.options) == (parent.images, "g", "x:1", None)


def test_the_labels_of_the_task_serve_records_without_options() -> None:
    records = [Record((), "Colour?", "red"), Record((), "Kind?", None, options=("cat", "dog"))]
    unrolled = unroll(records, ["blue", "red"])
    assert unrolled.options == ("blue", "red", "cat", "dog")
    assert unrolled.parents.tolist() == [0, 0, 1, 1]
    assert [record.label for record in unrolled.records] == ["no", "yes", None, None]


def test_the_template_can_be_changed() -> None:
    records = [Record((), "Colour?", options=("red", "blue"))]
    unrolled = unroll(records, template="{option}: {question} {{yes/no}}")
    assert unrolled.records[0].question == "red: Colour? {yes/no}"


@pytest.mark.parametrize("template", ["Is it {option}?", "{question} {option} {more}", "{", "{0}"])
def test_a_wrong_template_is_refused(template: str) -> None:
    with pytest.raises(DataError, match="template"):
        unroll([], template=template)


def test_all_records_that_cannot_be_unrolled_are_listed() -> None:
    records = [
        Record((), "Q", "a", ("a", "b"), id="x:1"),
        Record((), "Q", "a", id="x:2"),
        Record((), "Q", "a", ("a", "a"), id="x:3"),
        Record((), "Q", "c", ("a", "b")),
    ]
    with pytest.raises(DataError, match="3 of 4") as caught:
        unroll(records)
    assert [str(problem) for problem in caught.value.problems] == [
        "x:2: 0 options",
        "x:3: the same option twice in ('a', 'a')",
        "record 3: label 'c' is not one of ('a', 'b')",
    ]


def test_ties_go_to_the_first_option() -> None:
    unrolled = unroll(
        [Record((), "Q", options=("b", "a")), Record((), "Q", options=("x", "y", "z"))]
    )
    assert roll_up([0.5, 0.5, 0, 1, 1], unrolled) == ["b", "y"]
    assert roll_up([-np.inf, -np.inf, -np.inf, 0, -1], unrolled) == ["b", "y"]


def test_scores_must_fit() -> None:
    unrolled = unroll([Record((), "Q", options=("a", "b"))])
    with pytest.raises(DataError, match="as many scores"):
        roll_up([1.0], unrolled)
    with pytest.raises(DataError, match="not a number") as caught:
        roll_up([1.0, float("nan")], unrolled)
    assert caught.value.where == "yes/no record 1"


def picture(number: int, label: str) -> Record:
    return Record((Path(f"{number}.png"),), "Q", label)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from("abc")), min_size=1, max_size=40),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_every_label_occurs_as_often_as_the_rarest(rows: list, seed: int) -> None:
    records = [picture(*row) for row in rows]
    kept = balance(records, np.random.default_rng(seed))
    before = Counter(record.label for record in records)
    after = Counter(records[i].label for i in kept)
    assert after == dict.fromkeys(before, min(before.values()))
    assert kept.tolist() == sorted(set(kept.tolist()))


def test_an_unrolled_question_keeps_its_yes_and_one_no() -> None:
    options = tuple("abcd")
    records = [
        Record((Path(f"{i}.png"),), "Q", options[i % 4], options, id=str(i)) for i in range(40)
    ]
    unrolled = unroll(records).records
    kept = [unrolled[i] for i in balance(unrolled, np.random.default_rng(0))]
    assert Counter((r.id, r.label) for r in kept) == {
        (str(i), label): 1 for i in range(40) for label in ("yes", "no")
    }
    asked = Counter(r.question for r in kept if r.label == "no")
    assert len(asked) == 4, "which options are dropped must not depend on their place"
    assert label_set(kept) == ("no", "yes")


def test_balanced_groups_are_kept_whole() -> None:
    pairs = [picture(i, label) for i in range(20) for label in ("yes", "no")]
    loose = [picture(100 + i, "no") for i in range(15)]
    kept = balance([*pairs, *loose], np.random.default_rng(3))
    assert kept.tolist() == list(range(40))


def test_of_groups_with_one_label_whole_ones_are_dropped() -> None:
    rare = [picture(100 + i, "yes") for i in range(8)]
    often = [picture(i // 4, "no") for i in range(40)]
    records = [*rare, *often]
    kept = balance(records, np.random.default_rng(3))
    groups = Counter(records[i].images[0].name for i in kept if records[i].label == "no")
    assert sorted(groups.values()) == [4, 4]


def test_what_is_dropped_depends_on_the_generator_alone() -> None:
    records = [picture(i, "yes" if i < 5 else "no") for i in range(60)]
    runs = [balance(records, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_balance_needs_labels() -> None:
    assert balance([], np.random.default_rng(0)).shape == (0,)
    with pytest.raises(DataError, match="no usable label"):
        balance([Record((), "Q")], np.random.default_rng(0))
