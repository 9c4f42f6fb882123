from __future__ import annotations

import pytest

from superneurons.errors import DataError
from superneurons.task.lettered import letter_record, lettered
from superneurons.task.record import Record


def test_each_option_stands_behind_its_letter() -> None:
    assert lettered("What?", ["a dog", "a car"]).splitlines() == [
        "What?", "A) a dog", "B) a car", "Answer with the letter.",
    ]  # fmt: skip


def test_a_record_is_answered_by_the_letter_of_its_label() -> None:
    record = letter_record(Record((), "What?", label="car", options=("dog", "car", "cat")))
    assert record.label == "B"
    assert record.options == ("A", "B", "C")
    assert "B) car" in record.question


def test_a_record_without_label_stays_without() -> None:
    assert letter_record(Record((), "What?", options=("dog", "car"))).label is None


def test_more_options_than_letters_are_refused() -> None:
    with pytest.raises(DataError, match="27 options"):
        lettered("What?", [str(n) for n in range(27)])
