"""JSON Lines: one JSON object per line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from superneurons.errors import Problem
from superneurons.task.rows import Format, Row, RowOrProblem, read_text

__all__ = ["FORMAT", "parse_lines"]


def parse_lines(lines: Iterable[str], name: str) -> Iterator[RowOrProblem]:
    """Read rows from lines of text; blank ones are skipped, but counted."""
    for number, line in enumerate(lines, start=1):
        text = line.strip("\ufeff \t\r\n")
        if not text:
            continue
        where = f"{name}:{number}"
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            yield Problem(where, f"not valid JSON: {error.msg} (column {error.colno})")
        except RecursionError:
            yield Problem(where, "not valid JSON for a record: nested too deeply")
        else:
            if isinstance(values, dict):
                yield Row(where, values, values.keys())
            else:
                yield Problem(where, "not a JSON object; each line needs one: {…}")


def _rows(path: Path) -> Iterator[RowOrProblem]:
    # not str.splitlines: that also parts lines at characters JSON allows inside a string
    return parse_lines(io.StringIO(read_text(path), newline=None), path.name)


FORMAT = Format(
    name="JSON Lines (.jsonl)",
    matches=lambda path: path.is_file() and path.suffix.lower() in {".jsonl", ".ndjson"},
    rows=_rows,
)
