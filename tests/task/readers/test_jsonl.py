from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import Problem
from superneurons.task.readers.jsonl import FORMAT, parse_lines
from superneurons.task.rows import Row


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"a": 2}\r\n{"a": 3}')
    rows = list(FORMAT.rows(path))
    assert [(row.where, row.values) for row in rows if isinstance(row, Row)] == [
        ("a.jsonl:1", {"a": 1}),
        ("a.jsonl:4", {"a": 2}),
        ("a.jsonl:5", {"a": 3}),
    ]


def test_bad_lines_do_not_hide_the_others() -> None:
    lines = ['{"a": 1}', '{"a": 1', "[1]", "[" * 100_000, '{"a": 2}']
    rows = list(parse_lines(lines, "x"))
    assert [row.where for row in rows] == [f"x:{i}" for i in range(1, 6)]
    problems = [row.what for row in rows if isinstance(row, Problem)]
    assert problems[0].startswith("not valid JSON: Expecting ',' delimiter (column 8)")
    assert problems[1].startswith("not a JSON object")
    assert problems[2].startswith("not valid JSON")
    assert len(problems) == 3


@given(st.lists(st.dictionaries(st.text(), st.text())), st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_objects_come_back(
    tmp_path_factory: object, objects: list[dict[str, str]], ascii_only: bool
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    lines = [json.dumps(each, ensure_ascii=ascii_only) for each in objects]
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    assert [row.values for row in FORMAT.rows(path)] == objects


def test_which_files_match(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.NDJSON", "a.json"):
        (tmp_path / name).touch()
    (tmp_path / "b.jsonl").mkdir()
    matching = [path.name for path in sorted(tmp_path.iterdir()) if FORMAT.matches(path)]
    assert matching == ["a.NDJSON", "a.jsonl"]
