"""Tables that can be sorted by each of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from superneurons.report.svg.markup import Markup, joined, tag

__all__ = ["Cell", "Column", "number", "sortable"]


@dataclass(frozen=True, slots=True)
class Column:
    """What stands in a column.

    Parameters
    ----------
    title
        Its name.
    hint
        What it means, under the pointer.
    numeric
        Whether it is sorted by number and aligned at the right.
    """

    title: str
    hint: str = ""
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one row of a column.

    Parameters
    ----------
    content
        What is shown.
    value
        What it is sorted by; ``None`` comes last.
    """

    content: str
    value: float | str | None


def number(value: float | None, written: str) -> Cell:
    """Return a number's cell; a dash where there is none."""
    return Cell("–", None) if value is None else Cell(written, value)


def sortable(
    name: str, label: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], look: str = ""
) -> Markup:
    """Return a table in a part of the page that scrolls by itself where it is too wide.

    Parameters
    ----------
    name
        Unique on the page.
    label
        What it is, for those who don't see it.
    columns, rows
        Its head, and a cell for each column; the first names the row.
    look
        Further classes.
    """
    head = tag("tr", *map(_head, columns))
    body = [
        tag(
            "tr",
            *(
                _cell(cell, column, first=place == 0)
                for place, (cell, column) in enumerate(zip(row, columns, strict=True))
            ),
        )
        for row in rows
    ]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="sortable", id=name)
    # What scrolls must be reached by keyboard.
    return tag(
        "div", table, class_=f"scroll {look}".strip(), role="region", aria_label=label, tabindex="0"
    )


def _head(column: Column) -> Markup:
    before = f"{column.hint}; " if column.hint else ""
    arrow = tag("span", class_="arrow", aria_hidden="true")
    return tag(
        "th",
        tag("button", column.title, arrow, type="button", title=f"{before}click to sort"),
        scope="col",
        aria_sort="none",
        class_="numeric" if column.numeric else None,
    )


def _cell(cell: Cell, column: Column, *, first: bool) -> Markup:
    value = cell.value
    return tag(
        "th" if first else "td",
        joined(cell.content),
        scope="row" if first else None,
        class_="numeric" if column.numeric else None,
        data_value=value if isinstance(value, str) else None if value is None else f"{value:.9g}",
    )
