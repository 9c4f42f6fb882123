from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.evaluate.robustness.sheet import Sheet, percent, signed, with_interval

SMALL = Sheet("Heights", ("who", "cm", "kg"), (("Ann", "170", "60"), ("Bartholomew", "9", "100")))


def test_columns_stand_below_each_other() -> None:
    assert SMALL.text().splitlines() == [
        "Heights",
        "who           cm   kg",
        "Ann          170   60",
        "Bartholomew    9  100",
    ]


def test_what_does_not_fit_side_by_side_follows_below() -> None:
    header = ("name", *(f"column {i}" for i in range(20)))
    rows = (("row", *(str(i) for i in range(20))),)
    lines = Sheet("Wide", header, rows).text().splitlines()
    assert max(map(len, lines)) <= 100
    heads = [line for line in lines if line.startswith("name")]
    assert len(heads) > 1
    assert [word for line in heads for word in line.split() if word.isdigit()] == [
        str(i) for i in range(20)
    ]
    values = [line.split()[1:] for line in lines if line.startswith("row")]
    assert [cell for row in values for cell in row] == [str(i) for i in range(20)]


def test_a_column_wider_than_the_line_is_not_cut() -> None:
    lines = Sheet("", ("a", "b" * 120), (("1", "2"),)).text().splitlines()
    assert "a  " + "b" * 120 in lines


def test_titles_and_notes_are_wrapped() -> None:
    sheet = Sheet("title " * 40, ("a",), (("1",),), ("note " * 40, "end"))
    lines = sheet.text(60).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[-1] == "end"
    assert " ".join(lines).count("title") == " ".join(lines).count("note") == 40


def test_markdown_has_as_many_bars_in_every_line() -> None:
    made = Sheet("T", ("a", "b"), (("x|y", "1"), ("z", "2")), ("said",)).markdown()
    title, _, *table, _, note = made.splitlines()
    assert (title, note) == ("**T**", "said")
    assert {line.replace("\\|", "").count("|") for line in table} == {3}
    assert table[2] == "| x\\|y | 1 |"


def test_notes_are_paragraphs() -> None:
    made = Sheet("T", ("a",), (("1",),), ("one", "two")).markdown()
    assert made.endswith("| 1 |\n\none\n\ntwo\n")


def test_markdown_without_notes_ends_with_the_table() -> None:
    assert SMALL.markdown().endswith("| Bartholomew | 9 | 100 |\n")


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.0, "0.0"), (0.12345, "12.3")])
def test_shares_are_in_per_cent(value: float | None, shown: str) -> None:
    assert percent(value) == shown


def test_intervals_stand_beside_their_values() -> None:
    assert with_interval(0.5, (0.456, 0.544)) == "50.0 (46–54)"
    assert signed(0.021, (-0.004, 0.051)) == "+2.1 (+0 to +5)"


def test_nothing_is_minus_nothing() -> None:
    assert signed(-1e-9, (-1e-9, 0.0)) == "+0.0 (+0 to +0)"


def test_both_ends_are_whole_per_cents_and_not_swapped() -> None:
    assert with_interval(0.875, (0.5, 1.0)) == "87.5 (50–100)"
    assert with_interval(0.0, (0.0, 0.004)) == "0.0 (0–0)"
    assert signed(-0.5, (-1.0, 0.25)) == "-50.0 (-100 to +25)"


def test_a_line_is_filled_before_another_begins() -> None:
    """Three columns of four characters with two between them take sixteen, and no fewer."""
    sheet = Sheet("", ("aaaa", "bbbb", "cccc"), (("1", "2", "3"),))
    assert sheet.text(16).splitlines() == ["aaaa  bbbb  cccc", "1        2     3"]
    assert sheet.text(15).splitlines() == [
        "aaaa  bbbb", "1        2", "aaaa  cccc", "1        3"
    ]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    cells=st.lists(
        st.lists(st.text("abc", min_size=1, max_size=12), min_size=4, max_size=4), min_size=1
    ),
    width=st.integers(30, 60),
)
def test_every_cell_is_printed_within_the_width_whatever_it_is(
    cells: list[list[str]], width: int
) -> None:
    sheet = Sheet("", ("k", "l", "m", "n"), tuple(map(tuple, cells)))  # type: ignore[arg-type]
    lines = sheet.text(width).splitlines()
    assert max(map(len, lines)) <= width
    blocks = len(lines) // (1 + len(cells))
    assert len(lines) == blocks * (1 + len(cells))
    for number, row in enumerate(cells, start=1):
        shown = [lines[b * (1 + len(cells)) + number].split() for b in range(blocks)]
        assert [part[0] for part in shown] == [row[0]] * blocks
        assert [cell for part in shown for cell in part[1:]] == row[1:]
