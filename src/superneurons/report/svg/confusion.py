"""Labels against answers."""

from __future__ import annotations

from superneurons.report.run import Confusion
from superneurons.report.svg.canvas import FONT, Alt, Box, drawing, text
from superneurons.report.svg.labels import width_of
from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.words import count, percent, short

__all__ = ["confusion_alt", "draw_confusion"]

_LONGEST = 18
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
    names = [short(label, _LONGEST) for label in confusion.labels]
    longest = max(map(width_of, names))
    left, right = min(longest + 14, width * 0.34), 58.0
    cell = min(_LARGEST_CELL, (width - left - right) / n)
    upright = longest + 8 > cell
    top = 46 + (min(longest, width * 0.34) if upright else 16)
    box = Box(left, top, left + n * cell, top + n * cell)
    marks = [
        text(box.left, 12, "columns: answer; rows: label", "name"),
        text(box.right + 10, top - 8, "right", "tick"),
    ]
    for index, word in enumerate(names):
        x, y = box.left + (index + 0.5) * cell, top - 8
        turn = f"rotate(-90 {x + 4:.1f} {y:.1f})" if upright else None
        look = "tick" if upright else "tick mid"
        across = x + 4 if upright else x
        full = confusion.labels[index]
        marks.append(text(across, y, word, look, hint=full, transform=turn))
        middle = top + (index + 0.5) * cell + 4
        marks.append(text(box.left - 7, middle, word, "tick end", hint=full))
        marks.append(_row(confusion, index, box, cell))
    return drawing(name, width, box.bottom + 10, confusion_alt(confusion), *marks)


def _row(confusion: Confusion, row: int, box: Box, cell: float) -> Markup:
    counts, labels = confusion.counts[row], confusion.labels
    total, y = sum(counts), box.top + row * cell
    marks = []
    for column, n in enumerate(counts):
        x, share = box.left + column * cell, n / total if total else 0.0
        hint = f"label “{labels[row]}”, answered “{labels[column]}”: {n:,} of {total:,}"
        look = "ours" if row == column else "wrong"
        marks.append(
            tag("rect", tag("title", hint), x=x + 1, y=y + 1, width=cell - 2, height=cell - 2,
                class_=f"cell {look}", fill_opacity=_shade(share))
        )  # fmt: skip
        words = f"{n:,}"
        if cell >= _NUMBERS_FROM and width_of(words) <= cell and (n or len(labels) <= 4):
            middle = y + cell / 2 + FONT / 3
            look = "number mid" + (" on" if share > 0.5 else "")
            marks.append(text(x + cell / 2, middle, words, look))
    if total:
        foot = y + cell / 2 + 4
        marks.append(text(box.right + 10, foot, percent(counts[row] / total), "tick"))
    return joined(*marks)


def _shade(share: float) -> float:
    # A single mistake among hundreds must still be seen.
    return 0.06 + 0.86 * float(share) ** 0.6 if share else 0.03
