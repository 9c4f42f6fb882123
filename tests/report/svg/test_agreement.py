from __future__ import annotations

import pytest

from report.drawn import drawn, number
from superneurons.evaluate.intervals import wilson
from superneurons.report.run import Agreement
from superneurons.report.svg.agreement import agreement_alt, draw_agreement

_KNOWN = Agreement(150, 133, 3, 14)


def test_it_says_who_is_right_where_just_one_is() -> None:
    told = drawn(draw_agreement(_KNOWN, 640, "a")).finding
    low, high = wilson(133, 136)
    assert "Of 300 records: 150 both right, 133 only the classifier right" in told
    assert "just one is right (136 records), it is the classifier in 97.8 %" in told
    assert f"(95 %: {100 * low:.1f} to {100 * high:.1f})" in told


def test_it_says_nothing_of_that_where_they_never_differ() -> None:
    assert "just one" not in agreement_alt(Agreement(9, 0, 0, 1)).finding


@pytest.mark.parametrize("width", [350.0, 640.0, 1120.0])
def test_parts_are_as_wide_as_their_shares_and_fill_the_bar(width: float) -> None:
    found = drawn(draw_agreement(_KNOWN, width, "a"))
    parts = [bar for bar in found.of_class("bar") if bar.find("title") is not None]
    wide = [number(part, "width") + 1 for part in parts]
    assert sum(wide) == pytest.approx(width, abs=0.1)
    assert wide[1] == pytest.approx(width * 133 / 300, abs=0.1)


def test_each_part_is_named_with_its_share() -> None:
    texts = drawn(draw_agreement(_KNOWN, 350, "a")).texts
    assert "only the base model right: 3 (1.0 %)" in texts
    assert "150" in texts
    assert "3" not in texts, "no number in a part too narrow for it"


def test_parts_without_records_are_left_out() -> None:
    found = drawn(draw_agreement(Agreement(5, 0, 0, 5), 640, "a"))
    assert len([bar for bar in found.of_class("bar") if bar.find("title") is not None]) == 2


def test_parts_follow_each_other_and_have_their_names_below_in_the_same_look() -> None:
    found = drawn(draw_agreement(_KNOWN, 640, "a"))
    bars = found.of_class("bar")
    parts = [bar for bar in bars if bar.find("title") is not None]
    keys = [bar for bar in bars if bar.find("title") is None]
    looks = ["bar both", "bar ours", "bar base", "bar rest"]
    assert [part.get("class") for part in parts] == looks
    assert [key.get("class") for key in keys] == looks
    left = 0.0
    for part in parts:
        assert number(part, "x") == pytest.approx(left, abs=0.11)
        left += number(part, "width") + 1
    notes = found.of_class("note")
    for key, note, part in zip(keys, notes, parts, strict=True):
        assert note.text == part.findtext("title")
        assert number(key, "x") < number(note, "x") <= number(key, "x") + 20
        assert 0 < number(note, "y") - number(key, "y") < 20
    assert min(number(note, "y") for note in notes) > 46


@pytest.mark.parametrize(("width", "columns"), [(500.0, 1), (501.0, 2)])
def test_names_stand_in_two_columns_where_there_is_room(width: float, columns: int) -> None:
    notes = drawn(draw_agreement(_KNOWN, width, "a")).of_class("note")
    assert len({number(note, "x") for note in notes}) == columns
    assert len({number(note, "y") for note in notes}) == 4 // columns


def test_numbers_stand_in_the_middle_of_their_parts() -> None:
    found = drawn(draw_agreement(Agreement(60, 20, 20, 0), 640, "a"))
    numbers = found.of_class("number", "mid")
    assert [e.text for e in numbers] == ["60", "20", "20"]
    assert [number(e, "x") for e in numbers] == pytest.approx([192, 448, 576], abs=0.1)


def test_an_even_split_is_told_as_one() -> None:
    low, high = wilson(2, 4)
    assert (
        "it is the classifier in 50.0\N{NO-BREAK SPACE}% "
        f"(95 %: {100 * low:.1f} to {100 * high:.1f})"
    ) in agreement_alt(Agreement(0, 2, 2, 0)).finding
