"""How well each read-out does when only the first layers run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from superneurons.report.run import Curve
from superneurons.report.svg.axes import across, up
from superneurons.report.svg.canvas import Alt, Box, circle, drawing, line, path, text
from superneurons.report.svg.labels import apart, fitting, wrapped
from superneurons.report.svg.markup import Markup, joined
from superneurons.report.svg.scale import Scale, rounded_out
from superneurons.report.svg.words import percent, with_ends

__all__ = ["MOST_TOGETHER", "Levels", "curves_alt", "draw_curves"]

MOST_TOGETHER = 3
"""Curves that one wide panel holds; else each has its own, above the others in grey."""

_LOOKS = ("ours", "second", "third")
_WIDE = 500.0
_LOGARITHMIC_FROM = 8


@dataclass(frozen=True, slots=True)
class Levels:
    """What curves are to be seen beside.

    Parameters
    ----------
    base
        Balanced accuracy of the base model; ``None`` where it wasn't scored on the same records.
    chance
        Of guessing; ``None`` where each record has options of its own.
    """

    base: float | None = None
    chance: float | None = None


def curves_alt(curves: Sequence[Curve], levels: Levels) -> Alt:
    """Say what the curves show: each one's best, and the first layer that nearly reaches it."""
    found = [_finding(curve) for curve in curves]
    if levels.base is not None:
        found.append(f"the base model has {percent(levels.base)}")
    return Alt("Balanced accuracy by exit layer", "; ".join(found) + ".")


def _finding(curve: Curve) -> str:
    best = max(curve.balanced_accuracy)
    at = curve.layers[curve.balanced_accuracy.index(best)]
    near, value = next(
        (k, v)
        for k, v in zip(curve.layers, curve.balanced_accuracy, strict=True)
        if v >= best - 0.01
    )
    told = f"{curve.read_out}: best {percent(best)} with layers up to {at}"
    return told + (f", {percent(value)} up to {near} already" if near < at else "")


def draw_curves(curves: Sequence[Curve], levels: Levels, width: float, name: str) -> Markup:
    """Draw balanced accuracy by exit layer, with intervals.

    Parameters
    ----------
    curves
        At least one, the most important first.
    levels
        What they are seen beside.
    width
        Of the drawing.
    name
        Unique on the page.
    """
    alt = curves_alt(curves, levels)
    if len(curves) <= (MOST_TOGETHER if width >= _WIDE else 1):
        box = Box(40, 34, width - (20 if width < _WIDE else 190), 296)
        axes = _axes(curves, levels, box)
        marks = [_frame(axes, levels), *_dodged(curves, axes), _names(curves, axes, levels, width)]
        return drawing(name, width, box.bottom + 40, alt, *marks)
    across_ = 3 if width >= _WIDE and len(curves) != 4 else 2
    wide, tall, marks = width / across_, 190.0, []
    for number, curve in enumerate(curves):
        row, column = divmod(number, across_)
        left, top = column * wide, row * tall
        box = Box(left + 30, top + 48, left + wide - 12, top + tall - 34)
        marks.append(_panel(curve, curves, levels, box))
    rows = math.ceil(len(curves) / across_)
    return drawing(name, width, rows * tall, alt, *marks)


@dataclass(frozen=True, slots=True)
class _Axes:
    x: Scale
    y: Scale
    box: Box
    ticks: tuple[int, ...]


def _axes(curves: Sequence[Curve], levels: Levels, box: Box) -> _Axes:
    values = [value for curve in curves for value in curve.balanced_accuracy]
    values += [end for curve in curves for ends in curve.intervals for end in ends]
    values += [level for level in (levels.base, levels.chance) if level is not None]
    low, high = rounded_out(values)
    layers = sorted({layer for curve in curves for layer in curve.layers})
    sparse = len(layers) <= layers[-1] / 2
    log = sparse and layers[-1] >= _LOGARITHMIC_FROM and layers[0] > 0
    room = 12.0 if box.width > 200 else 6.0
    x = Scale(layers[0], layers[-1], box.left + room, box.right - room, log=log)
    return _Axes(x, Scale(low, high, box.bottom, box.top), box, _shown(layers, x))


def _shown(layers: Sequence[int], x: Scale) -> tuple[int, ...]:
    """Return the layers that get a number: the last, and of the others those with room."""
    found = [layers[-1]]
    for layer in [*layers[:1], *layers[1:-1]]:
        if all(abs(x(layer) - x(other)) >= 22 for other in found):
            found.append(layer)
    return tuple(sorted(found))


def _frame(axes: _Axes, levels: Levels, *, small: bool = False) -> Markup:
    name = "" if small else "exit layer" + (" (logarithmic)" if axes.x.log else "")
    box = axes.box
    marks = [
        up(axes.y, box, "" if small else "balanced accuracy, %", most=4 if small else 6),
        across(axes.x, box, name, ticks=axes.ticks),
    ]
    for level, look in ((levels.base, "base"), (levels.chance, "chance")):
        if level is not None:
            y = axes.y(level)
            marks.append(line(box.left, y, box.right, y, f"level {look}"))
    return joined(*marks)


def _dodged(curves: Sequence[Curve], axes: _Axes) -> list[Markup]:
    """Draw curves beside each other by some pixels, so that their intervals can be told apart."""
    middle = (len(curves) - 1) / 2
    looks = list(zip(curves, _LOOKS, strict=False))
    return [_drawn(c, axes, look, 5 * (n - middle)) for n, (c, look) in enumerate(looks)][::-1]


def _drawn(curve: Curve, axes: _Axes, look: str, aside: float = 0.0) -> Markup:
    points = [
        (axes.x(layer) + aside, axes.y(value))
        for layer, value in zip(curve.layers, curve.balanced_accuracy, strict=True)
    ]
    marks = [path(points, f"curve {look}")]
    for (x, _), (low, high) in zip(points, curve.intervals, strict=False):
        marks.append(line(x, axes.y(low), x, axes.y(high), f"whisker {look}"))
    for number, (x, y) in enumerate(points):
        value = with_ends(curve.balanced_accuracy[number], _interval(curve, number))
        hint = f"{curve.read_out}, layers up to {curve.layers[number]}: {value}"
        marks.append(circle(x, y, 3.5, f"dot {look}", hint))
    return joined(*marks)


def _interval(curve: Curve, number: int) -> tuple[float, float] | None:
    return curve.intervals[number] if curve.intervals else None


def _names(curves: Sequence[Curve], axes: _Axes, levels: Levels, width: float) -> Markup:
    """Write names beside the ends of curves and levels, or a single one above a narrow panel."""
    room = width - axes.box.right - 12
    if width < _WIDE:
        name = fitting(curves[0].read_out, width - 160)
        return text(width, 22, name, "note end ours", hint=curves[0].read_out)
    named = [
        (curve.balanced_accuracy[-1], curve.read_out, look)
        for curve, look in zip(curves, _LOOKS, strict=False)
    ]
    known = ((levels.base, "base model", "base"), (levels.chance, "guessing", "chance"))
    named += [(level, name, look) for level, name, look in known if level is not None]
    wanted = [axes.y(value) for value, _, _ in named]
    feet = apart(wanted, 16, axes.box.top + 4, axes.box.bottom + 4)
    return joined(
        *(
            text(axes.box.right + 8, y + 4, fitting(name, room), f"note {look}", hint=name)
            for (_, name, look), y in zip(named, feet, strict=True)
        )
    )


def _panel(curve: Curve, curves: Sequence[Curve], levels: Levels, box: Box) -> Markup:
    axes = _axes(curves, levels, box)
    marks = [_frame(axes, levels, small=True)]
    for other in curves:
        if other is not curve:
            points = [
                (axes.x(layer), axes.y(value))
                for layer, value in zip(other.layers, other.balanced_accuracy, strict=True)
            ]
            marks.append(path(points, "curve behind"))
    if curve.intervals:
        highs = [
            (axes.x(layer), axes.y(ends[1]))
            for layer, ends in zip(curve.layers, curve.intervals, strict=False)
        ]
        lows = [
            (axes.x(layer), axes.y(ends[0]))
            for layer, ends in zip(curve.layers, curve.intervals, strict=False)
        ]
        marks.append(path([*highs, *reversed(lows)], "band ours", closed=True))
    plain = Curve(curve.read_out, curve.layers, curve.balanced_accuracy, (), curve.n, True)
    marks.append(_drawn(plain, axes, "ours"))
    # Bold is wider than what is guessed.
    names = wrapped(curve.read_out, (box.width + 22) * 0.92)
    for place, words in enumerate(names):
        foot = box.top - 14 - 15 * (len(names) - 1 - place)
        marks.append(text(box.left - 24, foot, words, "panel", hint=curve.read_out))
    return joined(*marks)
