"""What each way of answering gives for its time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from superneurons.report.run import Tradeoff
from superneurons.report.svg.axes import across, up
from superneurons.report.svg.canvas import Alt, Box, circle, drawing, line, path, text
from superneurons.report.svg.labels import Label, placed
from superneurons.report.svg.markup import Markup, joined
from superneurons.report.svg.scale import Scale, logarithmic, rounded_out
from superneurons.report.svg.words import count, percent, short, significant, with_ends

__all__ = ["CROWDED", "draw_front", "front_alt", "front_of", "front_told"]

CROWDED = 24
"""Of more points only the chosen one has its name, and those on the front their exit layer."""


def front_of(tradeoffs: Sequence[Tradeoff]) -> tuple[Tradeoff, ...]:
    """Return those that no other beats at both accuracy and time, from the fastest on."""
    found: list[Tradeoff] = []
    for point in sorted(tradeoffs, key=lambda p: (p.ms, -p.balanced_accuracy)):
        if not found or point.balanced_accuracy > found[-1].balanced_accuracy:
            found.append(point)
    return tuple(found)


def front_alt(tradeoffs: Sequence[Tradeoff]) -> Alt:
    """Say which are on the front, and which is recommended."""
    told = [
        f"{point.name} with {percent(point.balanced_accuracy)} in {significant(point.ms)} ms"
        for point in front_of(tradeoffs)
    ]
    chosen = [point for point in tradeoffs if point.chosen]
    recommended = f" Recommended: {_told(chosen[0])}." if chosen else ""
    finding = f"{front_told(tradeoffs)}: {'; '.join(told)}.{recommended}"
    return Alt("Balanced accuracy against milliseconds per record", finding)


def front_told(tradeoffs: Sequence[Tradeoff]) -> str:
    """Say how many are on the front."""
    ways, on = count(len(tradeoffs), "way"), len(front_of(tradeoffs))
    if on == len(tradeoffs):
        return f"None of {ways} to answer beats another at both accuracy and time"
    is_ = count(on, "is", "are")
    return f"Of {ways} to answer, {is_} beaten by no other at both accuracy and time"


def _told(point: Tradeoff) -> str:
    value = with_ends(point.balanced_accuracy, point.interval)
    return f"{point.name}, {value}, {significant(point.ms)} ms"


def draw_front(tradeoffs: Sequence[Tradeoff], width: float, name: str) -> Markup:
    """Draw balanced accuracy against time, with intervals and quartiles.

    Parameters
    ----------
    tradeoffs
        At least one.
    width
        Of the drawing.
    name
        Unique on the page.
    """
    box = Box(40, 50, width - 16, 332)
    x = logarithmic([v for p in tradeoffs for v in (p.ms, *p.ms_range)], box.left, box.right)
    ends = [value for p in tradeoffs for value in (*p.interval, p.balanced_accuracy)]
    y = Scale(*rounded_out(ends), box.bottom, box.top)
    front = front_of(tradeoffs)
    marks = [
        up(y, box, "balanced accuracy, %"),
        across(
            x,
            box,
            "milliseconds per record (logarithmic)",
            ticks=_ticks(x),
            write=_whole,
            grid=True,
        ),
        path(_stairs(front, x, y), "stairs"),
        *(_point(p, x, y, _look(p, front)) for p in _drawn_last(tradeoffs, front)),
        *_names(tradeoffs, front, x, y, box),
    ]
    return drawing(name, width, box.bottom + 40, front_alt(tradeoffs), *marks)


def _drawn_last(tradeoffs: Sequence[Tradeoff], front: Sequence[Tradeoff]) -> list[Tradeoff]:
    """Return them so that what matters most is drawn above the others."""
    return sorted(tradeoffs, key=lambda point: (point.chosen, point in front))


def _whole(value: float) -> str:
    return f"{value:,g}"


def _ticks(x: Scale) -> tuple[float, ...]:
    return x.ticks(max(3, int((x.end - x.start) // 55)))


def _look(point: Tradeoff, front: Sequence[Tradeoff]) -> str:
    if point.chosen:
        return "ours chosen"
    return "on" if point in front else "off"


def _stairs(front: Sequence[Tradeoff], x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Return the corners of what can be had for at most so many milliseconds."""
    points = [(x(front[0].ms), y.start)]
    for before, point in zip((None, *front), front, strict=False):
        if before is not None:
            points.append((x(point.ms), y(before.balanced_accuracy)))
        points.append((x(point.ms), y(point.balanced_accuracy)))
    return [*points, (x.end, y(front[-1].balanced_accuracy))]


def _along(points: Sequence[tuple[float, float]]) -> list[Box]:
    return [
        Box(min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2) + 1, max(y1, y2) + 1)
        for (x1, y1), (x2, y2) in pairwise(points)
    ]


def _point(point: Tradeoff, x: Scale, y: Scale, look: str) -> Markup:
    across_, high = x(point.ms), y(point.balanced_accuracy)
    low, most = point.interval
    layer = "" if point.exit_layer is None else f", exit layer {point.exit_layer}"
    return joined(
        line(across_, y(low), across_, y(most), f"whisker {look}"),
        line(x(point.ms_range[0]), high, x(point.ms_range[1]), high, f"whisker {look}"),
        circle(across_, high, 6 if point.chosen else 4, f"dot {look}", _told(point) + layer),
    )


def _names(
    tradeoffs: Sequence[Tradeoff], front: Sequence[Tradeoff], x: Scale, y: Scale, box: Box
) -> list[Markup]:
    order = sorted(tradeoffs, key=lambda p: (not p.chosen, p not in front, p.ms))
    crowded = len(tradeoffs) > CROWDED
    most = 44 if box.width > 420 else 28
    labels, points = [], {}
    for point in order:
        words = short(_short_name(point) if crowded else point.name, most)
        label = Label(words, x(point.ms), y(point.balanced_accuracy))
        if not crowded or point.chosen or point in front:
            labels.append(label)
        points[label] = point
    dots = [(at.x, at.y) for at in points]
    lines = _along(_stairs(front, x, y))
    frame = Box(box.left, box.top - 18, box.right, box.bottom - 2)
    return [
        text(
            place.x,
            place.y,
            place.label.words,
            f"note {place.anchor} {_look(points[place.label], front)}".replace("  ", " "),
        )
        for place in placed(labels, dots, lines, frame, surely=1)
    ]


def _short_name(point: Tradeoff) -> str:
    if point.chosen or point.exit_layer is None:
        return point.name
    return f"layer {point.exit_layer}"
