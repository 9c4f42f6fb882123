"""Labels against answers."""

from __future__ import annotations

import math

from superneurons.report.run import Confusion
from superneurons.report.svg.canvas import FONT, Alt, Box, drawing, text
from superneurons.report.svg.labels import fitting, width_of
from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.words import count, percent

__all__ = ["confusion_alt", "draw_confusion"]

_LONGEST = 120.0
_LINE = 12.0
_EMPTY_UP_TO = 20
_LARGEST_CELL = 96.0
_NUMBERS_FROM = 17.0


def confusion_alt(confusion: Confusion) -> Alt:
    """Say how many answers are right, and what is mistaken for what most often."""
    counts, labels = confusion.counts, confusion.labels
    total = sum(map(sum, counts))
    right = sum(counts[i][i] for i in range(len(labels)))
    finding = f"{right:,} of {count(total, 'answer')} are right."
    if wrong := _mistakes(confusion):
        n, label, answer = wrong[0]
        finding += (
            f" Most frequent mistake: {count(n, 'record')} with label “{label}” "
            f"{'was' if n == 1 else 'were'} answered “{answer}”."
        )
    return Alt("Labels against answers", finding)


def _mistakes(confusion: Confusion) -> list[tuple[int, str, str]]:
    """Return how often which label got which wrong answer, most often first."""
    names = confusion.labels
    found = [
        (n, names[row], names[column])
        for row, counts in enumerate(confusion.counts)
        for column, n in enumerate(counts)
        if n and row != column
    ]
    return sorted(found, key=lambda item: -item[0])


def draw_confusion(confusion: Confusion, width: float, name: str) -> Markup:
    """Draw a row for each label: how its records were answered.

    Parameters
    ----------
    confusion
        With at least one label.
    width
        Of the drawing.
    name
        Unique on the page.
    """
    n = len(confusion.labels)
    names = [fitting(label, min(_LONGEST, width * 0.3)) for label in confusion.labels]
    longest = max(map(width_of, names))
    left, right = longest + 14, 58.0
    cell = min(_LARGEST_CELL, (width - left - right) / n)
    upright = longest + 8 > cell
    top = 46 + (longest if upright else 16)
    every = math.ceil(_LINE / cell)
    box = Box(left, top, left + n * cell, top + n * cell)
    marks = [
        text(box.left, 12, "columns: answer; rows: label", "name"),
        text(box.right + 10, top - 8, "right", "tick"),
    ]
    for index, word in enumerate(names):
        marks.append(_row(confusion, index, box, cell))
        if index % every == 0:
            marks.append(_names(word, confusion, index, box, cell, upright=upright))
    return drawing(name, width, box.bottom + 10, confusion_alt(confusion), *marks)


def _names(
    word: str, confusion: Confusion, index: int, box: Box, cell: float, *, upright: bool
) -> Markup:
    """Write a label at its row and its column, and which share of its records is right."""
    full, counts = confusion.labels[index], confusion.counts[index]
    x, y = box.left + (index + 0.5) * cell, box.top - 8
    foot = box.top + (index + 0.5) * cell + 4
    if upright:
        turn = f"rotate(-90 {x + 4:.1f} {y:.1f})"
        above = text(x + 4, y, word, "tick", hint=full, transform=turn)
    else:
        above = text(x, y, word, "tick mid", hint=full)
    marks = [above, text(box.left - 7, foot, word, "tick end", hint=full)]
    if total := sum(counts):
        marks.append(text(box.right + 10, foot, percent(counts[index] / total), "tick"))
    return joined(*marks)


def _row(confusion: Confusion, row: int, box: Box, cell: float) -> Markup:
    counts, labels = confusion.counts[row], confusion.labels
    total, y = sum(counts), box.top + row * cell
    marks = []
    gap = min(1.0, cell * 0.08)
    for column, n in enumerate(counts):
        if not n and len(labels) > _EMPTY_UP_TO:
            continue
        x, share = box.left + column * cell, n / total if total else 0.0
        hint = f"label “{labels[row]}”, answered “{labels[column]}”: {n:,} of {total:,}"
        look = "ours" if row == column else "wrong"
        marks.append(
            tag("rect", tag("title", hint), x=x + gap, y=y + gap, width=cell - 2 * gap,
                height=cell - 2 * gap, class_=f"cell {look}", fill_opacity=_shade(share))
        )  # fmt: skip
        words = f"{n:,}"
        if cell >= _NUMBERS_FROM and width_of(words) <= cell and (n or len(labels) <= 4):
            middle = y + cell / 2 + FONT / 3
            look = "number mid" + (" on" if share > 0.5 else "")
            marks.append(text(x + cell / 2, middle, words, look))
    return joined(*marks)


def _shade(share: float) -> float:
    # A single mistake among hundreds must still be seen.
    return 0.06 + 0.86 * float(share) ** 0.6 if share else 0.03
