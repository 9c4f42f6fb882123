"""Which neurons know the answer, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Iterator

from superneurons.report.page.figure import HALF, NARROW, figure
from superneurons.report.page.section import Section, row
from superneurons.report.page.table import Cell, Column, number, sortable
from superneurons.report.run import Run, Selection
from superneurons.report.svg.distribution import (
    chance_of,
    distribution_alt,
    draw_distribution,
)  # fmt: skip
from superneurons.report.svg.markup import Markup, tag
from superneurons.report.svg.neuron_map import (
    MOST_RINGED,
    draw_map,
    map_alt,
    neurons_per_cell,
)  # fmt: skip
from superneurons.report.svg.words import count, percent

__all__ = ["MOST_LISTED", "chance_figure", "neuron_sections"]

MOST_LISTED = 40
"""Chosen neurons that the table lists, strongest first."""

_MAP = 736.0
_OF_PICTURES = ("vision", "projector")
_PLACES = {
    "residual": "after each decoder layer",
    "mlp": "within each decoder layer's MLP",
    "heads": "in each decoder layer's attention heads",
    "vision": "after each layer of the vision tower",
    "projector": "after the projector",
}


def neuron_sections(run: Run) -> Iterator[Section]:
    """Return the map of neurons, with a table of the strongest; nothing where none was kept."""
    selection = run.selection
    if selection is None:
        return
    picture = figure(
        "map", lambda width, name: draw_map(selection, width, name), _map_caption(selection), _MAP
    )
    listed = [_listing(selection)] if selection.chosen else []
    yield Section("map", "Neurons", map_alt(selection).finding, row(picture, *listed))


def _map_caption(selection: Selection) -> str:
    each = neurons_per_cell(selection, _MAP)
    narrow = neurons_per_cell(selection, NARROW)
    where = _PLACES.get(selection.kind, selection.kind)
    position = f", position {selection.position.replace('_', ' ')}"
    if selection.kind in _OF_PICTURES and selection.position == "last_prompt":
        position = ""  # it sees no prompt
    shown = f"A cell is the best of {each} neighbours" if each > 1 else "A cell is a neuron"
    if narrow != each:
        shown += f" ({narrow} on a narrow screen)"
    ringed = f"the {MOST_RINGED} strongest" if len(selection.chosen) > MOST_RINGED else "all"
    return (
        f"Activations {where}{position}. Balanced accuracy of each neuron alone, with "
        f"its own best direction and threshold, on the {count(selection.n, 'question')} of the "
        f"probing set that chose it. {shown}; rings mark {ringed} of the "
        f"{count(len(selection.chosen), 'chosen neuron')}, bars count them."
    )


def _listing(selection: Selection) -> Markup:
    shown = selection.chosen[:MOST_LISTED]
    columns = (
        Column("rank", "strongest first"),
        Column("layer", "counts from 1"),
        Column("neuron", "counts from 0"),
        Column("alone", "balanced accuracy of the neuron alone, on the probing set that chose it"),
        Column("weight", "of its vote, for one standard deviation of its activation"),
    )
    rows = [
        (
            Cell(str(rank), rank),
            Cell(str(neuron.layer), neuron.layer),
            Cell(str(neuron.column), neuron.column),
            number(neuron.score, percent(neuron.score)),
            number(neuron.weight, f"{neuron.weight:+.3g}".replace("-", "−")),
        )
        for rank, neuron in enumerate(shown, start=1)
    ]
    table = sortable("neurons", "The strongest chosen neurons", columns, rows, "tall")
    some = f"The {len(shown)} strongest of {len(selection.chosen):,} chosen neurons."
    told = some if len(shown) < len(selection.chosen) else "All chosen neurons."
    return tag("div", table, tag("p", told, class_="caption"), class_="listing")


def chance_figure(run: Run) -> Markup | None:
    """Return the distribution of scores beside chance; ``None`` where none was kept."""
    selection = run.selection
    if selection is None:
        return None
    chance = chance_of(selection)
    shuffles = len(selection.null_maxima)
    measured = (
        f"below, the best of all neurons in each of {count(shuffles, 'shuffle')} of the labels"
        if shuffles
        else "what chance gives wasn't measured"
    )
    caption = (
        f"{distribution_alt(selection).finding} Each neuron alone, on the "
        f"{count(selection.n, 'question')} of the probing set; the chosen ones in colour; "
        f"{measured}. As many fair coins would reach {percent(chance.coins)} at best, with no "
        "threshold to choose."
    )
    return figure(
        "chance", lambda width, name: draw_distribution(selection, width, name), caption, HALF
    )
