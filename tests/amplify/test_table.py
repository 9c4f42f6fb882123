from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.amplify.table import Cell, Table
from superneurons.errors import ArtefactError

COLUMNS = (("task", "text"), ("n", "count"), ("gain", "gain"), ("p", "share"), ("%", "percent"))
ROWS = (("one", 3, (0.5, -0.1, 1.2), 0.25, 12.34), ("two", 4.0, None, 1, -5))
TABLE = Table("Gains", COLUMNS, ROWS, "A note.")


def test_numbers_are_written_as_their_columns_say() -> None:
    assert TABLE.lines() == [
        ["one", "3", "+0.50 (-0.10 to +1.20)", "0.250", "+12.3 %"],
        ["two", "4", "–", "1.000", "-5.0 %"],
    ]
    assert Table("t", (("x", "number"),), ((0.00123456,), (1234.5,))).lines() == [
        ["0.00123"], ["1.23e+03"],
    ]  # fmt: skip


def test_markdown_has_a_heading_a_rule_and_the_note() -> None:
    assert TABLE.markdown().splitlines() == [
        "### Gains",
        "",
        "| task | n | gain | p | % |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| one | 3 | +0.50 (-0.10 to +1.20) | 0.250 | +12.3 % |",
        "| two | 4 | – | 1.000 | -5.0 % |",
        "",
        "A note.",
    ]


def test_the_terminal_shows_the_same_cells() -> None:
    from rich.console import Console

    console = Console(width=200)
    with console.capture() as captured:
        console.print(TABLE.rich())
    shown = captured.get()
    for text in ["Gains", *(cell for line in TABLE.lines() for cell in line)]:
        assert text in shown


def test_it_comes_back_from_json_as_it_was() -> None:
    assert Table.from_dict(json.loads(json.dumps(TABLE.as_dict()))) == TABLE


@pytest.mark.parametrize(
    "change",
    [
        {"columns": [["task", "colour"]]},
        {"columns": "task"},
        {"rows": [["one"]]},
        {"rows": [["one", {}, 1, 1, 1]]},
        {"rows": [["one", [1, 2], 1, 1, 1]]},
        {"rows": [["one", "many", "x", "y", True], [[], 1, 1, 1, 1]]},
        {"rows": 3},
    ],
)
def test_what_is_no_table_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ArtefactError):
        Table.from_dict(TABLE.as_dict() | change)
    with pytest.raises(ArtefactError, match="no table"):
        Table.from_dict({})


def test_unknown_forms_and_uneven_rows_are_refused_where_they_are_made() -> None:
    with pytest.raises(ArtefactError, match="colour") as caught:
        Table("Odd", (("task", "text"), ("hue", "colour")), (("one", 1.0),))
    assert caught.value.where == "Odd"
    assert "and 0 rows of other than 2 cells" in str(caught.value)
    with pytest.raises(ArtefactError, match="2 rows of other than 1 cells"):
        Table("Odd", (("task", "text"),), (("one",), (), ("two", "three")))


def test_a_cell_that_its_column_cannot_write_is_no_table() -> None:
    """Text in a column of numbers is left as it is; an interval whose ends are text is none."""
    given = TABLE.as_dict()
    assert Table.from_dict(given | {"rows": [["one", "many", "x", "y", "z"]]}).lines() == [
        ["one", "many", "x", "y", "z"]
    ]
    for cell in (["a", "b", "c"], [1], [1, 2, 3, 4], {"a": 1}):
        with pytest.raises(ArtefactError, match="no table of a sweep") as caught:
            Table.from_dict(given | {"rows": [["one", 1, cell, 1, 1]]})
        assert caught.value.where == "tables"


def test_json_values_hold_lists_and_no_note_is_an_empty_one() -> None:
    kept = TABLE.as_dict()
    assert kept["rows"][0] == ["one", 3, [0.5, -0.1, 1.2], 0.25, 12.34]
    assert type(kept["rows"][0][2]) is list
    assert kept["columns"][2] == ["gain", "gain"]
    del kept["note"]
    assert Table.from_dict(kept).note == ""


def test_without_a_note_markdown_ends_with_its_last_row() -> None:
    bare = Table("Gains", COLUMNS, ROWS)
    assert bare.markdown().splitlines() == TABLE.markdown().splitlines()[:-2]


def test_text_stands_left_in_a_terminal_and_numbers_right() -> None:
    drawn = TABLE.rich()
    assert [column.justify for column in drawn.columns] == ["left", *["right"] * 4]
    assert [column.header for column in drawn.columns] == [name for name, _ in COLUMNS]
    assert drawn.row_count == len(ROWS)
    assert (drawn.title, drawn.title_justify) == ("Gains", "left")


numbers = st.floats(-1e6, 1e6)
cells = st.one_of(st.none(), numbers, st.tuples(numbers, numbers, numbers))


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells), max_size=4), form=st.sampled_from(["gain", "share"]))
def test_any_cells_come_back_from_json(rows: list[tuple[Cell, ...]], form: str) -> None:
    made = Table("Any", (("a", form), ("b", "percent")), tuple(rows), "n")
    back = Table.from_dict(json.loads(json.dumps(made.as_dict())))
    assert back == made
    assert back.markdown() == made.markdown()
    for row, line in zip(rows, made.lines(), strict=True):
        for cell, text in zip(row, line, strict=True):
            assert (text == "–") is (cell is None)
            assert (" to " in text) is isinstance(cell, tuple)
