"""A study's figures as plain tables: for a terminal of 100 columns, or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from superneurons.evaluate.intervals import Interval

__all__ = ["WIDTH", "Sheet", "percent", "signed", "with_interval"]

WIDTH = 100
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table.

    Parameters
    ----------
    title
        What it shows.
    header, rows
        Cells as text; every row is as long as the header. The first column names the row.
    notes
        What has to be said below it.

    Examples
    --------
    >>> print(Sheet("Heights", ("who", "cm"), (("Ann", "170"),)).text())
    Heights
    who   cm
    Ann  170
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self, width: int = WIDTH) -> str:
        """Return it for a terminal; columns that don't fit side by side follow below.

        Parameters
        ----------
        width
            Characters per line.
        """
        lines = textwrap.wrap(self.title, width)
        for block in self._blocks(width):
            lines += self._block(block)
        for note in self.notes:
            lines += textwrap.wrap(note, width)
        return "\n".join(lines)

    def markdown(self) -> str:
        """Return it as a Markdown table under its title in bold."""
        rows = [self.header, ("---",) * len(self.header), *self.rows]
        table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        notes = [line for note in self.notes for line in (note, "")]
        return "\n".join([f"**{self.title}**", "", *table, "", *notes]).rstrip() + "\n"

    def _widths(self) -> list[int]:
        columns = zip(self.header, *self.rows, strict=True)
        return [max(map(len, column)) for column in columns]

    def _blocks(self, width: int) -> list[list[int]]:
        """Columns that stand side by side; each block begins with the first column."""
        widths, blocks = self._widths(), [[0]]
        for column in range(1, len(widths)):
            taken = sum(widths[c] + len(_GAP) for c in blocks[-1])
            if taken + widths[column] > width and len(blocks[-1]) > 1:
                blocks.append([0])
            blocks[-1].append(column)
        return blocks

    def _block(self, columns: Sequence[int]) -> list[str]:
        widths, made = self._widths(), []
        for row in (self.header, *self.rows):
            cells = [row[c].rjust(widths[c]) if c else row[c].ljust(widths[c]) for c in columns]
            made.append(_GAP.join(cells).rstrip())
        return made


def percent(value: float | None) -> str:
    """Return a share in per cent, "–" for ``None``.

    Examples
    --------
    >>> percent(0.5), percent(None)
    ('50.0', '–')
    """
    return "–" if value is None else f"{100 * value:.1f}"


def with_interval(value: float, interval: Interval) -> str:
    """Return a share and its interval in per cent.

    Examples
    --------
    >>> with_interval(0.934, (0.9, 0.96))
    '93.4 (90–96)'
    """
    return f"{100 * value:.1f} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})"


def signed(value: float, interval: Interval) -> str:
    """Return a difference of shares and its interval in points.

    Examples
    --------
    >>> signed(-0.02, (-0.05, 0.01))
    '-2.0 (-5 to +1)'
    """
    low, high = (round(100 * end) + 0.0 for end in interval)  # never -0
    return f"{round(100 * value, 1) + 0.0:+.1f} ({low:+.0f} to {high:+.0f})"
