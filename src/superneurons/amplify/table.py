"""Tables of numbers that are kept as they are and drawn as Markdown or in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from superneurons.errors import ArtefactError

if TYPE_CHECKING:
    import rich.table

__all__ = ["Cell", "Table"]

Cell: TypeAlias = str | float | tuple[float, float, float] | None
"""Text, a number, a number with the ends of its interval, or nothing."""

_FORMS: Mapping[str, Callable[[Any], str]] = {
    "text": str,
    "count": "{:.0f}".format,
    "number": "{:.3g}".format,
    "share": "{:.3f}".format,
    "gain": "{:+.2f}".format,
    "percent": "{:+.1f} %".format,
}


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    title
        What it shows.
    columns
        Name of each, and how its numbers are written: ``text``, ``count``, ``number``, ``share``,
        ``gain`` or ``percent``.
    rows
        As many cells each as there are columns.
    note
        What has to be known to read it.

    Raises
    ------
    ArtefactError
        When a column is written in no such way, or rows are of another length.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        unknown = sorted({kind for _, kind in self.columns if kind not in _FORMS})
        uneven = [row for row in self.rows if len(row) != len(self.columns)]
        if unknown or uneven:
            raise ArtefactError(
                f"Table {self.title!r} has columns written as {unknown}, and {len(uneven)} rows of "
                f"other than {len(self.columns)} cells.",
                where=self.title,
                mend=f"Give a cell for each column, written as one of {', '.join(_FORMS)}.",
            )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "title": self.title,
            "columns": [list(column) for column in self.columns],
            "rows": [[list(c) if isinstance(c, tuple) else c for c in row] for row in self.rows],
            "note": self.note,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Table:
        """Read it back from JSON values.

        Raises
        ------
        ArtefactError
            When they are no table.
        """
        try:
            columns = tuple((str(name), str(kind)) for name, kind in given["columns"])
            rows = tuple(tuple(_cell(cell) for cell in row) for row in given["rows"])
            made = cls(str(given["title"]), columns, rows, str(given.get("note", "")))
            made.lines()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"This is no table of a sweep: {error}",
                where="tables",
                mend="Run `superneurons amplify sweep` again.",
            ) from error
        return made

    def lines(self) -> list[list[str]]:
        """Return every row as text."""
        forms = [_FORMS[kind] for _, kind in self.columns]
        return [[_shown(c, form) for c, form in zip(row, forms, strict=True)] for row in self.rows]

    def markdown(self) -> str:
        """Return it as Markdown, under a heading."""
        names = [name for name, _ in self.columns]
        rule = ["---" if kind == "text" else "---:" for _, kind in self.columns]
        rows = ["| " + " | ".join(cells) + " |" for cells in [names, rule, *self.lines()]]
        return "\n".join([f"### {self.title}", "", *rows, *(["", self.note] if self.note else [])])

    def rich(self) -> rich.table.Table:
        """Return it for a terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as Drawn

        drawn = Drawn(box=SIMPLE_HEAD, pad_edge=False, title=self.title, title_justify="left")
        for name, kind in self.columns:
            drawn.add_column(name, justify="left" if kind == "text" else "right")
        for cells in self.lines():
            drawn.add_row(*cells)
        return drawn


def _cell(given: Any) -> Cell:
    if isinstance(given, Sequence) and not isinstance(given, str):
        value, low, high = (float(part) for part in given)
        return value, low, high
    if given is None or isinstance(given, str | float | int):
        return given
    raise TypeError(f"{given!r} is no cell")


def _shown(cell: Cell, form: Callable[[Any], str]) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, tuple):
        value, low, high = (form(part) for part in cell)
        return f"{value} ({low} to {high})"
    return cell if isinstance(cell, str) else form(cell)
