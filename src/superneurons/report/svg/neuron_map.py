"""Which neurons know the answer, layer by layer, and which were chosen."""

from __future__ import annotations

from collections import Counter

import numpy as np

from superneurons.report.run import Selection
from superneurons.report.svg.axes import across
from superneurons.report.svg.canvas import Alt, Box, circle, drawing, line, rect, text
from superneurons.report.svg.heat import base64_of, best_of_neighbours, picture, ramp
from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.scale import Scale
from superneurons.report.svg.words import count, percent

__all__ = ["MOST_RINGED", "draw_map", "map_alt", "neurons_per_cell"]

MOST_RINGED = 60
"""Chosen neurons that get a ring of their own, strongest first: more hide what is below."""

_CHANCE = 0.5
_STEPS = 65535


def map_alt(selection: Selection) -> Alt:
    """Say what the map shows."""
    layers, width = selection.scores.shape
    found = [f"{count(layers * width, 'neuron')} in {count(layers, 'layer')} were scored"]
    if selection.chosen:
        by_layer = Counter(neuron.layer for neuron in selection.chosen)
        most, n = max(by_layer.items(), key=lambda item: (item[1], -item[0]))
        first, last = min(by_layer), max(by_layer)
        where = f"in layers {first} to {last}, most ({n:,})" if last > first else "all"
        told = count(len(selection.chosen), "was chosen", "were chosen")
        if selection.read_out:
            told = f"{selection.read_out} reads {len(selection.chosen):,} of them"
        found.append(f"{told}, {where} in layer {most}")
    layer, column = divmod(int(selection.scores.argmax()), width)
    found.append(
        f"the best single one, neuron {column} of layer {layer + 1}, has a balanced accuracy of "
        f"{percent(float(selection.scores.max()))}"
    )
    return Alt("Scores by layer and neuron", "; ".join(found) + ".")


def neurons_per_cell(selection: Selection, width: float) -> int:
    """Return of how many neighbours a cell of the drawing shows the best."""
    layers = selection.scores.shape[0]
    return best_of_neighbours(selection.scores, int(_box(layers, width).width)).each


def draw_map(selection: Selection, width: float, name: str) -> Markup:
    """Draw the scores of all neurons, rings around the chosen ones, and how many each layer has.

    Parameters
    ----------
    selection
        What was found.
    width
        Of the drawing.
    name
        Unique on the page.
    """
    layers, columns = selection.scores.shape
    box = _box(layers, width)
    low, high = _range(selection)
    down = Scale(0.5, layers + 0.5, box.top, box.bottom)
    along = Scale(0, columns, box.left, box.right)
    marks = [
        _colours(selection, box, low, high),
        _cells(selection, box, low, high),
        _layers(layers, box, down),
        across(along, box, "neuron", write="{:,.0f}".format),
        *_rings(selection, along, down),
        _chosen_per_layer(selection, box, down, width),
    ]
    return drawing(name, width, box.bottom + 38, map_alt(selection), *marks)


def _box(layers: int, width: float) -> Box:
    row = min(24.0, max(3.0, 372 / layers))
    return Box(34, 62, width - (92 if width > 500 else 64), 62 + row * layers)


def _range(selection: Selection) -> tuple[float, float]:
    low, high = float(selection.scores.min()), float(selection.scores.max())
    return min(low, _CHANCE), max(high, _CHANCE + 0.01)


def _cells(selection: Selection, box: Box, low: float, high: float) -> Markup:
    cells = best_of_neighbours(selection.scores, int(box.width))
    rows, n = cells.scores.shape
    levels = ((cells.scores - low) / (high - low) * _STEPS).round()
    # The last cell may stand for fewer neurons: the picture then ends beyond the axis, cut off.
    whole = box.width * n * cells.each / selection.scores.shape[1]
    return tag(
        "svg",
        tag(
            "image",
            tag("title"),
            href=picture(cells.scores, low, high),
            width=whole,
            height=box.height,
            preserveAspectRatio="none",
            class_="cells",
            data_rows=rows,
            data_cells=n,
            data_low=f"{low:.6f}",
            data_high=f"{high:.6f}",
            data_scores=base64_of(levels),
            data_columns=base64_of(cells.columns - np.arange(n) * cells.each),
            data_each=cells.each,
        ),
        x=box.left, y=box.top, width=box.width, height=box.height,
    )  # fmt: skip


def _colours(selection: Selection, box: Box, low: float, high: float) -> Markup:
    """The key of the colours, with what chance alone reaches."""
    wide = min(240.0, box.width * 0.62)
    key = Scale(low, high, box.left, box.left + wide)
    marks = [
        text(box.left, 12, "balanced accuracy of each neuron alone", "name"),
        tag("image", href=ramp(), x=box.left, y=20, width=wide, height=9, class_="ramp",
            preserveAspectRatio="none"),
        text(key(low), 43, percent(low, 0), "tick"),
        text(key(high), 43, percent(high, 0), "tick end"),
    ]  # fmt: skip
    if selection.null_maxima:
        most = float(np.quantile(selection.null_maxima, 0.95))
        place = key(most)
        marks.append(line(place, 18, place, 31, "mark chance"))
        beside = min(max(place, box.left + 58), box.left + wide - 66)
        marks.append(text(beside, 43, "chance", "tick mid"))
    return joined(*marks)


def _layers(layers: int, box: Box, down: Scale) -> Markup:
    row = box.height / layers
    every = next(step for step in (1, 5, 10, 20, 50, 100) if step * row >= 17 or step == 100)
    shown = sorted({1, *range(every, layers + 1, every)})
    marks = [text(box.left - 7, down(layer) + 4, str(layer), "tick end") for layer in shown]
    return joined(text(0, box.top - 6, "layer", "name"), *marks)


def _rings(selection: Selection, along: Scale, down: Scale) -> list[Markup]:
    found = []
    for neuron in reversed(selection.chosen[:MOST_RINGED]):
        x, y = along(neuron.column + 0.5), down(neuron.layer)
        hint = (
            f"layer {neuron.layer}, neuron {neuron.column}: {percent(neuron.score)}, "
            f"weight {neuron.weight:.3g}"
        )
        found += [circle(x, y, 4.5, "ring under"), circle(x, y, 4.5, "ring", hint)]
    return found


def _chosen_per_layer(selection: Selection, box: Box, down: Scale, width: float) -> Markup:
    by_layer = Counter(neuron.layer for neuron in selection.chosen)
    if not by_layer:
        return joined()
    start, row = box.right + 10, down(2) - down(1) if down.high > 2 else box.height
    longest = Scale(0, max(by_layer.values()), 0, width - start - 34)
    marks = [text(start, box.top - 6, "chosen", "name")]
    tall = min(row * 0.7, 12)
    for layer, n in sorted(by_layer.items()):
        y = down(layer)
        hint = f"layer {layer}: {n:,} chosen"
        marks.append(rect(start, y - tall / 2, max(1.5, longest(n)), tall, "bar ours", hint))
        if row >= 10:
            marks.append(text(start + longest(n) + 4, y + 4, f"{n:,}", "tick"))
    last = max(by_layer)
    if last < selection.scores.shape[0] and selection.kind in ("residual", "mlp", "heads"):
        y = (down(last) + down(last + 1)) / 2
        # Over the map it is drawn for dark colours, whatever the theme.
        marks.append(line(box.left, y, box.right, y, "exit over"))
        marks.append(text(start, y + 15, "exit", "name strong"))
    return joined(*marks)
