"""Axes that all figures share: thin lines, few ticks, the name of the values above them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from superneurons.report.svg.canvas import Box, line, text
from superneurons.report.svg.markup import Markup, joined
from superneurons.report.svg.scale import Scale

__all__ = ["across", "in_percent", "up"]


def in_percent(value: float) -> str:
    """Write a share as a tick's number.

    Examples
    --------
    >>> in_percent(0.55), in_percent(0.525)
    ('55', '52.5')
    """
    return f"{100 * value:.1f}".removesuffix(".0")


def across(
    scale: Scale,
    box: Box,
    name: str,
    *,
    ticks: Sequence[float] | None = None,
    write: Callable[[float], str] = "{:g}".format,
    grid: bool = False,
) -> Markup:
    """Draw the axis below a box, its name at the right end.

    Parameters
    ----------
    scale, box
        What it measures, and where.
    name
        What is measured; none where it is empty.
    ticks, write
        Where there are numbers, and how they are written.
    grid
        Whether lines go up from the ticks.
    """
    marks = [line(box.left, box.bottom, box.right, box.bottom, "axis")]
    taken = -1e9
    for tick in scale.ticks(max(2, int(box.width // 45))) if ticks is None else ticks:
        place, words = scale(tick), write(tick)
        if grid:
            marks.append(line(place, box.top, place, box.bottom, "grid"))
        marks.append(line(place, box.bottom, place, box.bottom + 4, "axis"))
        if place - taken >= 7 * len(words) + 5:
            marks.append(text(place, box.bottom + 17, words, "tick mid"))
            taken = place
    if name:
        marks.append(text(box.right, box.bottom + 34, name, "name end"))
    return joined(*marks)


def up(
    scale: Scale,
    box: Box,
    name: str,
    *,
    most: int = 6,
    ticks: Sequence[float] | None = None,
    write: Callable[[float], str] = in_percent,
) -> Markup:
    """Draw lines across a box with their values at the left, and what they are above.

    Parameters
    ----------
    scale, box
        What is measured, and where.
    name
        What is measured; none where it is empty.
    most, ticks, write
        At most how many numbers or which, and how they are written.
    """
    marks = []
    for tick in scale.ticks(most) if ticks is None else ticks:
        place = scale(tick)
        marks.append(line(box.left, place, box.right, place, "grid"))
        marks.append(text(box.left - 7, place + 4, write(tick), "tick end"))
    if name:
        marks.append(text(0, min(box.top - 12, 22), name, "name"))
    return joined(*marks)
