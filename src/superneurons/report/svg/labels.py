"""Names beside points, where they cover neither each other nor the points."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from superneurons.report.svg.canvas import FONT, Box
from superneurons.report.svg.words import short

__all__ = ["Label", "Place", "apart", "fitting", "placed", "width_of", "wrapped"]

_NARROW = frozenset("iljtfrI.,:;'|!()[] ")
_WIDE = frozenset("mwMWGOQ@%—")
_DOT = 5.0


@dataclass(frozen=True, slots=True)
class Label:
    """A name for a point.

    Parameters
    ----------
    words
        The name.
    x, y
        The point.
    """

    words: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a label goes.

    Parameters
    ----------
    label
        Which one.
    x, y
        Of its foot.
    anchor
        Class of its alignment: ``""`` from there on, ``"end"`` up to there, ``"mid"`` around it.
    """

    label: Label
    x: float
    y: float
    anchor: str


def width_of(words: str, size: float = FONT) -> float:
    """Guess how wide words are in a sans-serif face; a little too much rather than too little."""
    return size * sum(map(_em, words))


def _em(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter in _NARROW:
        return 0.36
    return 0.92 if letter in _WIDE else 0.62


def fitting(words: str, room: float) -> str:
    """Cut words off, visibly, where they are wider than the room for them.

    Examples
    --------
    >>> fitting("nearest neighbours", 60)
    'nearest…'
    """
    most = len(words)
    while most > 1 and width_of(short(words, most)) > room:
        most -= 1
    return short(words, most)


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart until there is a gap between neighbours, as little as can be.

    Parameters
    ----------
    wanted
        Where each would be best.
    gap
        Between two.
    low, high
        Ends that are kept to, if all fit between them.

    Examples
    --------
    >>> apart([10, 11, 50], 12, 0, 60)
    [10, 22, 50]
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    found = list(wanted)
    floor = low
    for index in order:
        found[index] = max(found[index], floor)
        floor = found[index] + gap
    ceiling = high
    for index in reversed(order):
        found[index] = min(found[index], ceiling)
        ceiling = found[index] - gap
    return found


def wrapped(words: str, room: float) -> tuple[str, ...]:
    """Break words into two lines where they are wider than the room, and cut the second one off.

    Examples
    --------
    >>> wrapped("nearest neighbours, best layer", 150)
    ('nearest neighbours,', 'best layer')
    """
    if width_of(words) <= room:
        return (words,)
    parts = words.split(" ")
    fits = [n for n in range(1, len(parts)) if width_of(" ".join(parts[:n])) <= room]
    if not fits:
        return (fitting(words, room),)
    return " ".join(parts[: fits[-1]]), fitting(" ".join(parts[fits[-1] :]), room)


def placed(
    labels: Iterable[Label],
    points: Sequence[tuple[float, float]],
    obstacles: Iterable[Box],
    frame: Box,
    *,
    surely: int = 0,
) -> list[Place]:
    """Find a place beside its point for each label, the first ones first.

    Parameters
    ----------
    labels
        What matters most first: a label without a free place is left out.
    points
        All points, also those without a label: none is covered, and none is nearer to a label than
        the one that it names.
    obstacles
        What else mustn't be covered, such as lines.
    frame
        What mustn't be left.
    surely
        Of so many first labels each has a place, the nearest free one, if need be nearer to another
        point.
    """
    taken = [Box(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in points] + [*obstacles]
    found = []
    for number, label in enumerate(labels):
        free = [
            (place, box)
            for place, box in _candidates(label)
            if _within(box, frame) and not any(_meet(box, other) for other in taken)
        ]
        clear = [(place, box) for place, box in free if _nearest(box, label, points)]
        for place, box in (clear or (free if number < surely else []))[:1]:
            taken.append(box)
            found.append(place)
    return found


def _within(box: Box, frame: Box) -> bool:
    beside = box.left >= frame.left and box.right <= frame.right
    return beside and box.top >= frame.top and box.bottom <= frame.bottom


def _nearest(box: Box, label: Label, points: Sequence[tuple[float, float]]) -> bool:
    own = _away(box, label.x, label.y)
    return all(own <= _away(box, x, y) for x, y in points)


def _away(box: Box, x: float, y: float) -> float:
    across = max(box.left - x, 0.0, x - box.right)
    return math.hypot(across, max(box.top - y, 0.0, y - box.bottom))


def _candidates(label: Label) -> Iterable[tuple[Place, Box]]:
    wide, x, y = width_of(label.words), label.x, label.y
    for away in (9, 16, 26):
        for anchor, at, foot in (
            ("", x + away, y + 4), ("end", x - away, y + 4),
            ("", x + away / 2, y - away), ("end", x - away / 2, y - away),
            ("", x + away / 2, y + away + 9), ("end", x - away / 2, y + away + 9),
            ("mid", x, y - away - 2), ("mid", x, y + away + 11),
        ):  # fmt: skip
            left = {"": at, "end": at - wide, "mid": at - wide / 2}[anchor]
            yield Place(label, at, foot, anchor), Box(left, foot - 10, left + wide, foot + 3)


def _meet(one: Box, other: Box) -> bool:
    across = one.left < other.right and other.left < one.right
    return across and one.top < other.bottom and other.top < one.bottom
