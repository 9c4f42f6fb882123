from __future__ import annotations

import json

import pytest

from superneurons.amplify.table import Table
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
