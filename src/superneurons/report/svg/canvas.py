"""What every figure is drawn on, and in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from superneurons.report.svg.markup import Attribute, Markup, joined, tag

__all__ = ["Alt", "Box", "circle", "drawing", "line", "path", "rect", "text"]

FONT = 12.0
"""Size of text in a drawing, which is shown at its own size."""


@dataclass(frozen=True, slots=True)
class Alt:
    """What a figure says to those who don't see it.

    Parameters
    ----------
    title
        What is drawn, in some words.
    finding
        What it shows, with numbers.
    """

    title: str
    finding: str


@dataclass(frozen=True, slots=True)
class Box:
    """The part of a drawing that holds the marks.

    Parameters
    ----------
    left, top, right, bottom
        Its edges.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top


def drawing(name: str, width: float, height: float, alt: Alt, *marks: str) -> Markup:
    """Return a figure.

    Parameters
    ----------
    name
        Unique on the page.
    width, height
        In pixels.
    alt
        What it says in words.
    *marks
        What is in it.
    """
    return tag(
        "svg",
        tag("title", alt.title, id=f"{name}-title"),
        tag("desc", alt.finding, id=f"{name}-desc"),
        *marks,
        viewBox=f"0 0 {width:g} {height:.0f}",
        width=width,
        height=round(height),
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rect(x: float, y: float, width: float, height: float, class_: str, hint: str = "") -> Markup:
    """Return a rectangle, with what it says under the pointer."""
    return tag(
        "rect", _hint(hint), x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=class_
    )


def circle(x: float, y: float, radius: float, class_: str, hint: str = "") -> Markup:
    """Return a circle, with what it says under the pointer."""
    return tag("circle", _hint(hint), cx=x, cy=y, r=radius, class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str, *, closed: bool = False) -> Markup:
    """Return a line through points, or the area within."""
    steps = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return tag("path", d=f"M{steps}{'Z' if closed else ''}", class_=class_)


def text(
    x: float, y: float, words: str, class_: str = "", *, hint: str = "", **attributes: Attribute
) -> Markup:
    """Return words, whose first letter's foot is at (x, y) unless the class says otherwise."""
    return tag("text", words, _hint(hint), x=x, y=y, class_=class_ or None, **attributes)


def _hint(words: str) -> Markup:
    return tag("title", words) if words else joined()
