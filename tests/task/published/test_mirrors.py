from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.task.lettered import LETTERS, letter_record
from superneurons.task.published.blink import blink_question
from superneurons.task.published.mirrors import MIRRORS, Columns, columns_of, label_of
from superneurons.task.published.registry import find_task
from superneurons.task.record import Record


@pytest.mark.parametrize(
    "name",
    ["lmms-lab/POPE", "/data/copies/lmms-lab/POPE", r"D:\hub\lmms-lab\POPE", "LMMS-LAB/pope"],
)
def test_a_mirror_and_its_copies_are_known_by_owner_and_name(name: str) -> None:
    assert columns_of(name) is MIRRORS["lmms-lab/pope"]


@pytest.mark.parametrize("name", ["POPE", "somebody/POPE", "lmms-lab/POPE/data"])
def test_others_are_not_taken_for_one(name: str) -> None:
    assert columns_of(name) is None


@pytest.mark.parametrize(
    ("value", "options", "means"),
    [
        (1, ["7", "1"], "1"),
        (0, ["7", "1"], "7"),
        ("1", ["7", "1"], "1"),
        (2, ["7", "1"], 2),
        (-1, ["7", "1"], -1),
        ("B", ["A", "B", "C"], "B"),
        ("B", ["C", "B", "A"], "B"),
        ("(B)", ["x", "y"], "y"),
        ("C", ["x", "y"], "C"),
        (True, ["x", "y"], True),
        (None, ["x", "y"], None),
        (1, None, 1),
        ("cat", None, "cat"),
    ],
)
def test_what_a_label_means(value: Any, options: Any, means: Any) -> None:
    assert label_of(value, options) == means


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abc", min_size=2), min_size=2, max_size=9, unique=True), st.data())
def test_number_letter_and_text_mean_the_same_option(
    options: list[str], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(options) - 1))
    ways = (index, options[index], LETTERS[index], f"({LETTERS[index]})", f"{LETTERS[index]}.")
    assert {label_of(value, options) for value in ways} == {options[index]}
    record = letter_record(Record((), "Which?", options[index], tuple(options)))
    assert label_of(record.label, options) == options[index]


def test_columns_know_what_each_is_for() -> None:
    columns = Columns(image=("a", "b"), question=None, label="y", group="g")
    assert columns.named() == {"a": "image", "b": "image", "y": "label", "g": "group"}


def test_questions_are_those_of_the_published_tasks() -> None:
    assert MIRRORS["timm/eurosat-rgb"].asked == find_task("eurosat-open").question
    assert MIRRORS["timm/oxford-iiit-pet"].asked == find_task("pets-open").question


def finished(name: str, config: str = "", **values: Any) -> dict[str, Any]:
    finish = MIRRORS[name].finish
    assert finish is not None
    before = dict(values)
    found = finish(values, config)
    assert values == before
    return found


def test_popes_pictures_have_the_groups_of_coco_and_none_where_no_name_is() -> None:
    """Questions about one picture, of any of its splits, stay together."""
    shown = {"question": "Is there?", "label": "yes", "group": "COCO_val2014_000000310196"}
    assert finished("lmms-lab/pope", **shown) == shown | {"group": "coco/000000310196"}
    for nothing in ("", None, 5):
        assert finished("lmms-lab/pope", **(shown | {"group": nothing}))["group"] is None


BLINK = {"question": " Which fits? ", "options": ["the second image", "the third image"]}


@pytest.mark.parametrize(
    ("label", "letter"),
    [("the third image", "B"), ("the second image", "A"), ("hidden", None), (None, None)],
)
def test_blinks_options_are_asked_in_the_question_and_answered_by_letter(
    label: str | None, letter: str | None
) -> None:
    found = finished("blink-benchmark/blink", "Jigsaw", **BLINK, label=label, group="g")
    assert found == {
        "question": blink_question("Jigsaw", "Which fits?", BLINK["options"]),
        "label": letter,
        "options": None,
        "group": "g",
    }
    assert found["question"].endswith("(A) the second image (B) the third image")


def test_blinks_words_hang_on_the_configuration() -> None:
    for config, word in (("Object_Localization", "options"), ("Jigsaw", "choices")):
        asked = finished("blink-benchmark/blink", config, **BLINK, label=None)["question"]
        assert f"Select from the following {word}." in asked


@pytest.mark.parametrize("wrong", [{"question": None}, {"options": None}, {"options": "a, b"}])
def test_a_row_that_is_no_question_is_left_to_be_refused(wrong: dict[str, Any]) -> None:
    values = {**BLINK, "label": "the third image", **wrong}
    assert finished("blink-benchmark/blink", "Jigsaw", **values) == values


def test_only_scienceqa_has_rows_without_pictures() -> None:
    assert {name for name, columns in MIRRORS.items() if columns.pictured} == {
        "derek-thomas/scienceqa", "lmms-lab/scienceqa", "lmms-lab/scienceqa-img"
    }  # fmt: skip
    assert all(name == name.lower() and name.count("/") == 1 for name in MIRRORS)


@pytest.mark.parametrize(
    ("value", "means"), [("b", "b"), ("B)", "y"), ("(B", "y"), ("BB", "BB"), ("", ""), (1.0, 1.0)]
)
def test_what_is_no_letter_stays_as_it_is(value: Any, means: Any) -> None:
    assert label_of(value, ["x", "y"]) == means
