"""Whether answers are right as often as their confidence says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from superneurons.evaluate.intervals import wilson
from superneurons.report.run import Bin
from superneurons.report.svg.axes import across, in_percent, up
from superneurons.report.svg.canvas import Alt, Box, circle, drawing, line, path, rect, text
from superneurons.report.svg.markup import Markup, joined
from superneurons.report.svg.scale import Scale
from superneurons.report.svg.words import count, percent, with_ends

__all__ = ["draw_reliability", "reliability_alt"]


def reliability_alt(bins: Sequence[Bin], ece: float | None) -> Alt:
    """Say how far confidence and accuracy are apart, and in which direction."""
    filled = [part for part in bins if part.n]
    total = sum(part.n for part in filled)
    if not total:
        return Alt("Accuracy by confidence", "No answers.")
    sure = sum(part.n * part.confidence for part in filled) / total
    right = sum(part.n * part.accuracy for part in filled) / total
    off = 100 * abs(sure - right)
    more = f"{off:.1f} points {'more' if sure > right else 'less'} sure than right"
    if off < 0.05:
        more = "as sure as right"
    error = "" if ece is None else f" Expected calibration error {percent(ece)}."
    worst = max(filled, key=lambda part: part.n * abs(part.confidence - part.accuracy))
    finding = (
        f"{count(total, 'answer')} are {percent(sure)} sure on average and {percent(right)} right: "
        f"{more}.{error} Furthest off: "
        f"{count(worst.n, 'answer')} with {percent(worst.confidence)} confidence, "
        f"{percent(worst.accuracy)} right."
    )
    return Alt("Accuracy by confidence", finding)


def draw_reliability(bins: Sequence[Bin], ece: float | None, width: float, name: str) -> Markup:
    """Draw accuracy against confidence with intervals, and how many answers there are of each.

    Parameters
    ----------
    bins
        At least one.
    ece
        Expected calibration error, where it is known.
    width
        Of the drawing.
    name
        Unique on the page.
    """
    box = Box(40, 34, width - 16, 256)
    filled = [part for part in bins if part.n]
    shown = [(part, _interval(part)) for part in filled]
    x = Scale(_below(part.low for part in bins), 1, box.left, box.right - 8)
    least = _below([low for _, (low, _) in shown] + [x.low])
    y, start = Scale(least, 1, box.bottom, box.top), max(x.low, least)
    foot = Box(box.left, 272, box.right - 8, 316)
    marks = [
        up(y, box, "right, %"),
        path([(x(start), y(start)), (x(1), y(1))], "ideal"),
        *_points(shown, x, y),
        _counts(bins, x, foot),
        across(x, foot, "confidence, %", write=in_percent),
    ]
    if ece is not None:
        marks.append(text(x(1), 22, f"ECE {percent(ece)}", "note strong end"))
    return drawing(name, width, foot.bottom + 38, reliability_alt(bins, ece), *marks)


def _below(values: Iterable[float]) -> float:
    """Return the least of them or the next tenth below, so that some of a scale is left."""
    return min(0.9, math.floor(10 * min(values) + 1e-9) / 10)


def _interval(part: Bin) -> tuple[float, float]:
    return wilson(round(part.accuracy * part.n), part.n)


def _points(shown: Sequence[tuple[Bin, tuple[float, float]]], x: Scale, y: Scale) -> list[Markup]:
    points = [(x(part.confidence), y(part.accuracy)) for part, _ in shown]
    most, marks = max((part.n for part, _ in shown), default=1), []
    for (part, (low, high)), (across_, at) in zip(shown, points, strict=True):
        hint = (
            f"{count(part.n, 'answer')} with {percent(part.confidence)} confidence on average: "
            f"{with_ends(part.accuracy, (low, high))} right"
        )
        marks.append(line(across_, y(low), across_, y(high), "whisker ours"))
        radius = 2.5 + 4 * math.sqrt(part.n / most)
        marks.append(circle(across_, at, radius, "dot ours", hint))
    return marks


def _counts(bins: Sequence[Bin], x: Scale, box: Box) -> Markup:
    height = Scale(0, max([1, *(part.n for part in bins)]), 0, box.height - 12)
    marks = []
    for part in bins:
        left, right = x(part.low) + 1, x(part.high) - 1
        tall = height(part.n)
        hint = f"{percent(part.low, 0)} to {percent(part.high, 0)}: {count(part.n, 'answer')}"
        marks.append(rect(left, box.bottom - tall, right - left, tall, "bar rest", hint))
        if part.n and right - left > 22:
            marks.append(text((left + right) / 2, box.bottom - tall - 4, f"{part.n:,}", "tick mid"))
    return joined(*marks)
