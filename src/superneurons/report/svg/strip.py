"""Balanced accuracies with their intervals, one below the other, and in the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from superneurons.report.run import Interval
from superneurons.report.svg.axes import across, in_percent
from superneurons.report.svg.canvas import Alt, Box, circle, drawing, line, text
from superneurons.report.svg.labels import fitting, width_of
from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.scale import Scale, rounded_out
from superneurons.report.svg.words import percent, with_ends

__all__ = ["Mark", "beside_alt", "draw_beside", "draw_strip", "shared_ends"]

_ROW = 30.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One way of answering.

    Parameters
    ----------
    name
        What it is.
    value, interval
        Its balanced accuracy, and the ends at 95 % where they are known.
    look
        ``ours``, ``base`` or ``rest``.
    """

    name: str
    value: float
    interval: Interval | None
    look: str


def shared_ends(marks: Sequence[Mark]) -> tuple[float, float]:
    """Return the ends of a scale that holds all of them."""
    values = [mark.value for mark in marks]
    values += [end for mark in marks for end in mark.interval or ()]
    return rounded_out(values, step=0.1)


def beside_alt(marks: Sequence[Mark]) -> Alt:
    """Say all values."""
    told = "; ".join(f"{mark.name} {with_ends(mark.value, mark.interval)}" for mark in marks)
    return Alt("Balanced accuracy beside what it has to beat", f"{told}.")


def draw_beside(marks: Sequence[Mark], width: float, name: str) -> Markup:
    """Draw some values with their intervals, named, the first one strongest.

    Parameters
    ----------
    marks
        At least one.
    width
        Of the drawing.
    name
        Unique on the page.
    """
    # The first name is bold, so wider than what is guessed.
    longest = min(1.08 * max(width_of(mark.name) for mark in marks) + 12, width * 0.56)
    box = Box(longest, 26, width - 62, 26 + _ROW * len(marks))
    scale = Scale(*shared_ends(marks), box.left, box.right)
    ticks = scale.ticks(max(2, int(box.width // 40)))
    drawn = [across(scale, box, "", ticks=ticks, write=in_percent, grid=True)]
    drawn.append(text(0, 12, "balanced accuracy, %", "name"))
    for number, mark in enumerate(marks):
        y = box.top + _ROW * (number + 0.5)
        words = fitting(mark.name, longest / 1.08 - 4)
        strong = " strong" if mark.look == "ours" else ""
        drawn += [
            text(0, y + 4, words, f"note {mark.look}{strong}", hint=mark.name),
            _whisker(mark, scale, y, 4.5),
            text(width, y + 4, percent(mark.value), f"note end {mark.look}{strong}"),
        ]
    return drawing(name, width, box.bottom + 24, beside_alt(marks), *drawn)


def draw_strip(mark: Mark, ends: tuple[float, float], width: float = 104) -> Markup:
    """Draw one value in a cell of a table, which tells it in words beside."""
    scale = Scale(*ends, 4, width - 4)
    low = line(scale.start, 9, scale.end, 9, "rule")
    return tag(
        "svg", low, _whisker(mark, scale, 9, 2.8), viewBox=f"0 0 {width:g} 18", width=width,
        height=18, class_="strip", aria_hidden="true",
    )  # fmt: skip


def _whisker(mark: Mark, scale: Scale, y: float, radius: float) -> Markup:
    drawn = []
    if mark.interval is not None:
        low, high = mark.interval
        drawn.append(line(scale(low), y, scale(high), y, f"whisker thick {mark.look}"))
    hint = f"{mark.name}: {with_ends(mark.value, mark.interval)}"
    return joined(*drawn, circle(scale(mark.value), y, radius, f"dot {mark.look}", hint))
