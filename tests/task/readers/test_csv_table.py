from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import Problem
from superneurons.task.readers.csv_table import FORMAT
from superneurons.task.rows import Row


def rows_of(tmp_path: Path, text: str | bytes) -> list[Row | Problem]:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(FORMAT.rows(path))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_and_line_ends(tmp_path: Path, separator: str, end: str) -> None:
    lines = [separator.join(cells) for cells in (["image", "label"], ["a.png", "yes"])]
    text = b"\xef\xbb\xbf" + end.join([*lines, "", ""]).encode()
    assert rows_of(tmp_path, text) == [
        Row("a.csv:2", {"image": "a.png", "label": "yes"}, {"image": 0, "label": 0}.keys())
    ]


def test_rows_are_named_by_the_line_they_start_on(tmp_path: Path) -> None:
    text = 'image,question\n\na.png,"one\ntwo"\nb.png,"say ""hi"""\n'
    rows = rows_of(tmp_path, text)
    assert [(row.where, row.values["question"]) for row in rows] == [
        ("a.csv:3", "one\ntwo"),
        ("a.csv:5", 'say "hi"'),
    ]


def test_cells_typed_by_hand_are_stripped_and_empty_ones_missing(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, 'image , question, label,\n a.png, "Cat, big?", ,\n')
    assert row.values == {"image": "a.png", "question": "Cat, big?", "label": None, "": None}


def test_lists_are_json_or_parted_by_bars(tmp_path: Path) -> None:
    text = 'images,options\na.png|b.png,"[""a|b"", ""c""]"\n["a.png"],red | green\n,[oops\n'
    first, second, third = rows_of(tmp_path, text)
    assert first.values == {"images": ["a.png", "b.png"], "options": ["a|b", "c"]}
    assert second.values == {"images": ["a.png"], "options": ["red", "green"]}
    assert isinstance(third, Problem)
    assert third.where == "a.csv:4"
    assert third.what.startswith("options: not a valid JSON list")


def test_rows_of_another_width_are_problems(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "image,label\na.png\nb.png,yes\nc.png,yes,no\n")
    assert [str(row) for row in rows if isinstance(row, Problem)] == [
        "a.csv:2: 1 cells, but the header has 2",
        "a.csv:4: 3 cells, but the header has 2",
    ]
    assert len(rows) == 3


def test_a_quote_left_open_is_a_problem_where_it_opens(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 'image,label\na.png,yes\nb.png,"no\nc.png,yes\n')
    assert [row.where for row in rows] == ["a.csv:2", "a.csv:3"]
    assert isinstance(rows[1], Problem)
    assert "not valid CSV" in rows[1].what


def test_a_column_twice_is_a_problem(tmp_path: Path) -> None:
    (problem,) = rows_of(tmp_path, "image,label,label\na.png,yes,no\n")
    assert str(problem) == "a.csv:1: the header has 'label' twice"


def test_a_file_without_rows(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "") == rows_of(tmp_path, "image,label\n") == []


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(cells, cells), max_size=5))
@settings(max_examples=40, deadline=None)
def test_what_the_csv_module_writes_is_read(
    tmp_path_factory: object, table: list[tuple[str, str]]
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerows([("question", "label"), *table])
    rows = rows_of(tmp_path_factory.mktemp("csv"), buffer.getvalue())
    expected = [tuple(cell.strip() or None for cell in row) for row in table]
    assert [tuple(row.values.values()) for row in rows] == [row for row in expected if any(row)]
