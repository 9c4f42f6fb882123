"""A figure with its caption, drawn once for wide screens and paper and once for narrow screens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from superneurons.report.svg.markup import Markup, tag
from superneurons.report.svg.words import unbroken

__all__ = ["FULL", "HALF", "NARROW", "WIDE", "Draw", "figure"]

Draw: TypeAlias = Callable[[float, str], Markup]
"""From a width and a unique name to a drawing."""

FULL, WIDE, HALF, NARROW = 1120.0, 640.0, 448.0, 350.0
"""Widths in pixels, at which text in a drawing has its own size."""


def figure(name: str, draw: Draw, caption: str, width: float) -> Markup:
    """Return a figure.

    Scaling one drawing down to a telephone would make its words too small to read.

    Parameters
    ----------
    name
        Unique on the page.
    draw
        Draws it.
    caption
        What is counted: of how many, which records, with what interval.
    width
        On a wide screen.
    """
    return tag(
        "figure",
        tag("div", draw(width, name), class_="for-wide"),
        tag("div", draw(NARROW, f"{name}-narrow"), class_="for-narrow"),
        tag("figcaption", unbroken(caption)),
        id=f"figure-{name}",
    )
