"""How many neurons reach which score, and what the best of them reach by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superneurons.evaluate.null import chance_maximum
from superneurons.report.run import Selection
from superneurons.report.svg.axes import across, in_percent, up
from superneurons.report.svg.canvas import Alt, Box, drawing, line, rect, text
from superneurons.report.svg.labels import width_of
from superneurons.report.svg.markup import Markup, joined
from superneurons.report.svg.scale import Scale
from superneurons.report.svg.words import count, percent

__all__ = ["Chance", "chance_of", "distribution_alt", "draw_distribution"]

_BARS = 60


@dataclass(frozen=True, slots=True)
class Chance:
    """What there is to find where there is nothing.

    Parameters
    ----------
    maximum
        What the best neuron stays below in 95 of 100 shuffles of the labels; ``None`` without any.
    above
        Neurons that score more.
    coins
        The best of as many tosses of fair coins, that have no direction or threshold to choose.
    """

    maximum: float | None
    above: int
    coins: float


def chance_of(selection: Selection) -> Chance:
    """Return what chance gives, as measured with shuffled labels, and as computed for coins."""
    maximum = None
    if selection.null_maxima:
        maximum = float(np.quantile(selection.null_maxima, 0.95))
    above = 0 if maximum is None else int((selection.scores > maximum).sum())
    return Chance(maximum, above, chance_maximum(selection.n, selection.scores.size))


def distribution_alt(selection: Selection) -> Alt:
    """Say what the distribution shows."""
    chance, best = chance_of(selection), percent(float(selection.scores.max()))
    total = count(selection.scores.size, "neuron")
    if chance.maximum is None:
        finding = (
            f"The best of {total} has {best}; labels weren't shuffled to tell what chance gives."
        )
    else:
        finding = (
            f"{chance.above:,} of {total} score above {percent(chance.maximum)}, which the best of "
            f"all stays below in 95 % of {count(len(selection.null_maxima), 'shuffle')} of the "
            f"labels; the best has {best}."
        )
    return Alt("Scores of all neurons, beside chance", finding)


def draw_distribution(selection: Selection, width: float, name: str) -> Markup:
    """Draw how many neurons have which score, and the best scores with shuffled labels below.

    Parameters
    ----------
    selection
        What was found.
    width
        Of the drawing.
    name
        Unique on the page.
    """
    box = Box(44, 66, width - 14, 270)
    scale = _scale(selection, box)
    edges = _edges(selection, scale)
    marks = [_bars(selection, edges, scale, box)]
    foot = box
    if selection.null_maxima:
        foot = Box(box.left, 284, box.right, 328)
        marks.append(_shuffles(selection, edges, scale, foot))
    marks += [
        across(scale, foot, "balanced accuracy of a neuron alone, %", write=in_percent),
        _lines(selection, scale, box, foot),
    ]
    return drawing(name, width, foot.bottom + 38, distribution_alt(selection), *marks)


def _edges(selection: Selection, scale: Scale) -> NDArray[np.float64]:
    """Return the ends of bars that hold equally many possible scores each.

    Of n questions scores are multiples of about 1/n: narrower bars would show gaps of no meaning.
    """
    step = 1 / max(2, selection.n)
    wide = step * math.ceil((scale.high - scale.low) / _BARS / step)
    first = scale.low - step / 2
    return np.append(np.arange(first, scale.high, wide), scale.high + wide)


def _scale(selection: Selection, box: Box) -> Scale:
    values = [float(selection.scores.min()), float(selection.scores.max()), *selection.null_maxima]
    low, high = min(values), max(values)
    room = max(0.01, (high - low) * 0.04)
    return Scale(low, high + room, box.left, box.right)


def _bars(selection: Selection, edges: NDArray[np.float64], scale: Scale, box: Box) -> Markup:
    """Counts on a logarithmic scale: a handful of good neurons must be seen beside thousands."""
    counts = np.histogram(selection.scores, edges)[0]
    chosen = np.histogram([neuron.score for neuron in selection.chosen], edges)[0]
    # A bar of a single neuron still has a height.
    height = Scale(0.6, max(10.0, float(counts.max()) * 1.3), box.bottom, box.top, log=True)
    ticks = [10.0**power for power in range(8) if 10.0**power <= height.high]
    marks = [up(height, box, "neurons (logarithmic)", ticks=ticks, write="{:,.0f}".format)]
    for n, taken, low, high in zip(counts, chosen, edges, edges[1:], strict=False):
        left, wide = scale(low) + 0.5, scale(high) - scale(low) - 1
        hint = f"{percent(low)} to {percent(high)}: {count(int(n), 'neuron')}, {taken} chosen"
        for number, look in ((n, "bar rest"), (taken, "bar ours")):
            if number:
                top = height(number)
                marks.append(rect(left, top, wide, box.bottom - top, look, hint))
    return joined(*marks)


def _shuffles(selection: Selection, edges: NDArray[np.float64], scale: Scale, box: Box) -> Markup:
    counts = np.histogram(selection.null_maxima, edges)[0]
    height = Scale(0, int(counts.max()), 0, box.height)
    marks = []
    for n, low, high in zip(counts, edges, edges[1:], strict=False):
        if n:
            hint = f"best with shuffled labels, {percent(low)} to {percent(high)}: {n} of "
            hint += count(len(selection.null_maxima), "shuffle")
            left, tall = scale(low) + 0.5, height(n)
            wide = scale(high) - scale(low) - 1
            marks.append(rect(left, box.bottom - tall, wide, tall, "bar chance", hint))
    words, filled = "best with shuffled labels", np.flatnonzero(counts)
    right, left = scale(edges[filled[-1] + 1]) + 8, scale(edges[filled[0]]) - 8
    if right + width_of(words) <= box.right + 14:
        return joined(*marks, text(right, box.bottom - 8, words, "note chance"))
    return joined(*marks, text(left, box.bottom - 8, words, "note chance end"))


def _lines(selection: Selection, scale: Scale, box: Box, foot: Box) -> Markup:
    """Name the best score and the chance maximum above the bars, wherever these are high."""
    chance, best = chance_of(selection), float(selection.scores.max())
    place, words = scale(best), f"best {percent(best)}"
    half = 0.54 * width_of(words)
    middle = min(max(place, box.left + half), box.right - half)
    marks = [
        text(middle, 40, words, "note strong mid"),
        line(place, 44, place, box.bottom, "leader"),
    ]
    if chance.maximum is not None:
        at = scale(chance.maximum)
        words = f"chance maximum {percent(chance.maximum)}"
        marks.append(line(at, 47, at, foot.bottom, "mark chance"))
        # On the side where the other line isn't, as long as it fits there.
        wide = 1.08 * width_of(words) + 5
        left = at - wide >= box.left and (place >= at or at + wide > box.right)
        x, anchor = (at - 5, " end") if left else (min(at + 5, box.right - wide), "")
        marks.append(text(x, 57, words, f"note chance strong{anchor}"))
    return joined(*marks)
