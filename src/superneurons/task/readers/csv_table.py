"""CSV with a header line, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from superneurons.errors import Problem
from superneurons.task.rows import Format, Row, RowOrProblem, read_text

__all__ = ["FORMAT"]

_LISTS = ("images", "options")


def _rows(path: Path) -> Iterator[RowOrProblem]:
    text = read_text(path)
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    table = _numbered(text, separator, path.name)
    header: list[str] | None = None
    for where, cells in table:
        if isinstance(cells, Problem):
            yield cells
        elif header is None:
            header = cells
            twice = [name for name, count in Counter(filter(None, header)).items() if count > 1]
            if twice:
                yield Problem(where, f"the header has {twice[0]!r} twice")
                return
        elif len(cells) != len(header):
            yield Problem(where, f"{len(cells)} cells, but the header has {len(header)}")
        else:
            yield _row(where, dict(zip(header, cells, strict=True)))


def _numbered(
    text: str, separator: str, name: str
) -> Iterator[tuple[str, list[str]] | tuple[str, Problem]]:
    """Give the cells of each row, stripped, with the line on which the row starts."""
    # strict, so that a quote left open is reported and doesn't swallow the rest of the file
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    while True:
        where = f"{name}:{reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield where, Problem(where, f"not valid CSV: {error}; the rows after it were not read")
            return
        if any(cell.strip() for cell in cells):
            yield where, [cell.strip() for cell in cells]


def _row(where: str, cells: dict[str, str]) -> RowOrProblem:
    values: dict[str, Any] = {name: cell or None for name, cell in cells.items()}
    for name in _LISTS:
        cell = cells.get(name)
        if not cell:
            continue
        if not cell.startswith("["):
            values[name] = [part.strip() for part in cell.split("|")]
            continue
        try:
            values[name] = json.loads(cell)
        except json.JSONDecodeError as error:
            return Problem(where, f"{name}: not a valid JSON list: {error.msg}")
    return Row(where, values, cells.keys())


FORMAT = Format(
    name="CSV (.csv, .tsv)",
    matches=lambda path: path.is_file() and path.suffix.lower() in {".csv", ".tsv"},
    rows=_rows,
)
