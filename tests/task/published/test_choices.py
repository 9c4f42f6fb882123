from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.task.published.choices import (
    PAPER_TEMPLATE,
    chosen,
    drawn,
    inline,
    number_of,
    options_of,
)
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record
from superneurons.task.rows import Row
from superneurons.task.unroll import unroll


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def row(**values: Any) -> Row:
    return Row("f.json:3", values, values.keys())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a, b", "must be a list, not 'a, b'"),
        (None, "must be a list, not None"),
        (["a", 1], "must hold texts only, not ['a', 1]"),
        (["a", " "], "must hold texts only, not ['a', ' ']"),
        (["a"], "must be two or more, not ['a']"),
        ([], "must be two or more, not []"),
        (["a", "b", "a"], "has the same text twice: ['a', 'b', 'a']"),
    ],
)
def test_what_is_wrong_with_choices_is_kept_with_its_place(
    reader: Reader, value: Any, said: str
) -> None:
    assert options_of(reader, row(choices=value)) is None
    assert [(p.where, p.what) for p in reader.problems] == [("f.json:3", f"'choices' {said}")]


def test_choices_that_are_not_there_are_called_missing(reader: Reader) -> None:
    assert options_of(reader, row()) is None
    assert reader.problems[0].what == "'choices' is missing"


def test_choices_keep_their_order(reader: Reader) -> None:
    assert options_of(reader, row(options=["b", "a"]), "options") == ("b", "a")
    assert reader.problems == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (4, "must be 0 to 1, not 4"),
        (-1, "must be 0 to 1, not -1"),
        (True, "must be 0 to 1, not True"),
        ("1", "must be 0 to 1, not '1'"),
        (None, "must be 0 to 1, not None"),
    ],
)
def test_an_index_that_points_nowhere_is_a_problem(reader: Reader, value: Any, said: str) -> None:
    assert chosen(reader, row(answer=value), "answer", ("a", "b")) is None
    assert [p.what for p in reader.problems] == [f"'answer' {said}"]


def test_names_point_to_options_of_their_place(reader: Reader) -> None:
    names = ("(A)", "(B)", "(C)")
    assert chosen(reader, row(answer="(B)"), "answer", ("x", "y"), names) == "y"
    assert chosen(reader, row(answer="(C)"), "answer", ("x", "y"), names) is None
    assert reader.problems[0].what == "'answer' must be one of (A), (B), not '(C)'"
    assert chosen(reader, row(), "answer", ("x", "y"), names) is None
    assert reader.problems[1].what == "'answer' is missing"


def test_nothing_is_said_twice_of_a_row_without_choices(reader: Reader) -> None:
    assert chosen(reader, row(answer=9), "answer", None) is None
    assert reader.problems == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("abcdef", min_size=1), min_size=2, max_size=6, unique=True), st.data())
def test_a_label_is_the_option_its_index_names_and_unrolling_keeps_it(
    options: list[str], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(options) - 1))
    reader = Reader(Path())
    read = options_of(reader, row(choices=options))
    label = chosen(reader, row(answer=index), "answer", read)
    assert (read, label) == (tuple(options), options[index])
    asked = unroll([Record((), "Which?", label, read)], template=PAPER_TEMPLATE)
    assert asked.options == tuple(options)
    assert [record.label for record in asked.records].count("yes") == 1
    yes = next(record for record in asked.records if record.label == "yes")
    assert yes.question == f"Which? Is it {options[index]}? Answer with yes or no."


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("abc", min_size=1), min_size=1, max_size=9, unique=True), st.text())
def test_the_right_name_is_always_among_those_drawn(names: list[str], key: str) -> None:
    found = drawn(names[0], names, key)
    assert names[0] in found
    assert len(found) == len(set(found)) == min(4, len(names))
    assert set(found) <= set(names)
    assert found == drawn(names[0], list(reversed(names)), key)


def test_draws_favour_no_place_and_no_name() -> None:
    names = [f"n{i}" for i in range(10)]
    found = [drawn("n3", names, f"{i}.jpg") for i in range(2_000)]
    places = Counter(one.index("n3") for one in found)
    wrong = Counter(name for one in found for name in one if name != "n3")
    assert max(places.values()) - min(places.values()) < 120
    assert len(wrong) == 9
    assert max(wrong.values()) - min(wrong.values()) < 150


def test_numbers_of_names_are_the_same_everywhere() -> None:
    assert number_of("Forest_1.jpg") == 0xB3A0B5B969F702C7
    assert number_of("Forest_1.jpg") != number_of("Forest_2.jpg")


def test_options_on_one_line() -> None:
    assert inline({"A.": "x", "B.": "y"}) == "A. x B. y"
    assert inline({}) == ""
