"""Results as small tables of HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["facts", "paragraph", "table"]

_CELL = "text-align:{side};padding:0.15em 0.7em;vertical-align:top"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """Return a table whose cells are escaped; first column to the left, the others to the right.

    Parameters
    ----------
    head
        Names of the C columns.
    rows
        C cells each; ``None`` is a dash.
    caption
        What it shows.

    Examples
    --------
    >>> "&lt;b&gt;" in table(["name"], [["<b>"]])
    True
    """
    top = "".join(_cell(name, place, "th", ' scope="col"') for place, name in enumerate(head))
    body = "".join(
        f"<tr>{''.join(_cell(value, place, 'td') for place, value in enumerate(row))}</tr>"
        for row in rows
    )
    return f"<table>{_caption(caption)}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def facts(pairs: Iterable[tuple[str, object]], *, caption: str = "") -> str:
    """Return a table of names and values, escaped."""
    scope = ' scope="row"'
    rows = "".join(
        f"<tr>{_cell(name, 0, 'th', scope)}{_cell(value, 0, 'td')}</tr>" for name, value in pairs
    )
    return f"<table>{_caption(caption)}<tbody>{rows}</tbody></table>"


def paragraph(text: str) -> str:
    """Return a paragraph, escaped; nothing for no text."""
    return f"<p>{escape(text)}</p>" if text else ""


def _caption(text: str) -> str:
    style = "caption-side:top;text-align:left;font-weight:bold"
    return f'<caption style="{style}">{escape(text)}</caption>' if text else ""


def _cell(value: object, place: int, tag: str, more: str = "") -> str:
    style = _CELL.format(side="right" if place else "left")
    text = "–" if value is None else escape(str(value))
    return f'<{tag}{more} style="{style}">{text}</{tag}>'
