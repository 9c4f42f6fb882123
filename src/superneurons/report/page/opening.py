"""The first screen: what was asked, what to do, and the few figures that matter most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE
from superneurons.report.page.facts import Way, base_of, beside, subject_of, ways_of
from superneurons.report.page.figure import HALF, figure
from superneurons.report.run import Run
from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.strip import draw_beside
from superneurons.report.svg.words import count, ends, percent, significant, unbroken

__all__ = ["Tile", "opening", "tiles_of"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One big figure.

    Parameters
    ----------
    value, unit
        The figure, and what stands small beside it.
    name
        What it is.
    told
        What it is to be seen beside.
    """

    value: str
    unit: str
    name: str
    told: str


def opening(run: Run) -> Markup:
    """Return the first screen of a run."""
    ways = ways_of(run)
    subject = subject_of(run, ways)
    tiles = [_tile(tile) for tile in tiles_of(run)]
    left = [_advice(run), tag("ul", *tiles, class_="tiles") if tiles else joined(), *_notes(run)]
    right = [] if subject is None else [_beside(run, ways, subject)]
    return tag(
        "header",
        tag("p", _origin(run), class_="origin"),
        tag("h1", run.title),
        *_question(run),
        tag("div", tag("div", *left, class_="main"), *right, class_="row first"),
    )


def _origin(run: Run) -> Markup:
    parts = [tag("code", f"superneurons {run.kind}")]
    if model := run.setting.get("model"):
        parts.append(joined(str(model)))
    for key, word in (("probing_records", "labelled record"), ("test_records", "test record")):
        if isinstance(n := run.setting.get(key), int):
            parts.append(joined(count(n, word)))
    return joined(*(joined(" · ", part) if place else part for place, part in enumerate(parts)))


def _question(run: Run) -> Iterator[Markup]:
    if run.questions:
        yield tag("blockquote", run.questions[0], dir="auto")
    for other in run.questions[1:3]:
        yield tag("p", "also: ", tag("bdi", other), class_="also")
    if run.labels:
        labels = (tag("li", label, dir="auto") for label in run.labels)
        yield tag("ul", *labels, class_="labels", aria_label="Answers")


def _advice(run: Run) -> Markup:
    advice = (run.comparison or {}).get("recommendation") or {}
    if sentence := advice.get("sentence"):
        return tag("p", unbroken(sentence), class_="advice")
    for point in run.tradeoffs:
        if point.chosen:
            how = "" if point.held_out else ", cross-validated"
            told = (
                f"Chosen: {point.name}, with a balanced accuracy of "
                f"{percent(point.balanced_accuracy)} (95 %: {ends(point.interval)}{how}) in "
                f"{significant(point.ms)} ms."
            )
            return tag("p", unbroken(told), class_="advice")
    return tag(
        "p",
        "Nothing is recommended here: ",
        tag("code", "superneurons compare"),
        " compares all that could answer, and recommends one.",
        class_="advice none",
    )


def _notes(run: Run) -> Iterator[Markup]:
    if run.notes:
        yield tag("ul", *(tag("li", note) for note in run.notes), class_="notes")


def _tile(tile: Tile) -> Markup:
    return tag(
        "li",
        tag("strong", tile.value, " ", tag("small", tile.unit)),
        tag("span", tile.name, class_="what"),
        tag("span", unbroken(tile.told), class_="told"),
    )


def _beside(run: Run, ways: Sequence[Way], subject: Way) -> Markup:
    marks = beside(run, ways, subject)
    n = f", on {count(subject.n, 'record')} that nothing was fitted on" if subject.n else ""
    caption = f"Balanced accuracy with its 95 % interval{n}."
    return figure("beside", lambda width, name: draw_beside(marks, width, name), caption, HALF)


def tiles_of(run: Run) -> tuple[Tile, ...]:
    """Return the big figures that a run can give: accuracy, speed-up, exit layer, neurons."""
    ways = ways_of(run)
    subject = subject_of(run, ways)
    found = (
        _accuracy(run, ways, subject),
        None if subject is None else _speed(ways, subject),
        _exit(run, subject),
        _neurons(run, subject),
    )
    return tuple(tile for tile in found if tile is not None)


def _accuracy(run: Run, ways: Sequence[Way], subject: Way | None) -> Tile | None:
    if subject is not None and subject.balanced is not None:
        base, told = base_of(ways), []
        if subject.balanced_interval is not None:
            told.append(f"95 %: {ends(subject.balanced_interval)}")
        if base is not None and base is not subject and base.balanced is not None:
            told.append(f"{base.name}: {percent(base.balanced)}")
        return Tile(f"{100 * subject.balanced:.1f}", "%", "balanced accuracy", "; ".join(told))
    layer = _deepest(run)
    for curve in run.curves:
        if layer in curve.layers:
            place = curve.layers.index(layer)
            told = [f"95 %: {ends(curve.intervals[place])}"] if curve.intervals else []
            told += [] if curve.held_out else ["cross-validated on the probing set"]
            value = f"{100 * curve.balanced_accuracy[place]:.1f}"
            return Tile(value, "%", "balanced accuracy", "; ".join(told))
    return None


def _speed(ways: Sequence[Way], subject: Way) -> Tile | None:
    times = {way.name: way.ms for way in ways}
    for over, rival in ((subject.over_generate, GENERATE), (subject.over_prefill, FIRST_TOKEN)):
        other = times.get(rival)
        if over is not None and subject.ms is not None and other is not None:
            told = f"{significant(subject.ms)} ms instead of {significant(other)} ms a record"
            return Tile(significant(over), "×", f"as fast as {rival}", told)
    return None


def _deepest(run: Run) -> int:
    chosen = () if run.selection is None else run.selection.chosen
    return max((neuron.layer for neuron in chosen), default=0)


def _exit(run: Run, subject: Way | None) -> Tile | None:
    layer = None if subject is None else subject.exit_layer
    if layer is None:
        if run.selection is None or run.selection.kind not in ("residual", "mlp", "heads"):
            return None
        layer = _deepest(run)
    layers = run.setting.get("layers")
    unit = f"of {layers}" if isinstance(layers, int) else ""
    told = "no decoder layer runs" if layer == 0 else "later layers don't run"
    return Tile(str(layer), unit, "exit layer", told if layer != layers else "all layers run")


def _neurons(run: Run, subject: Way | None) -> Tile | None:
    n = None if subject is None else subject.neurons
    if n is None and run.selection is not None and subject is None:
        n = len(run.selection.chosen)
    if not n:
        return None
    told, selection = "", run.selection
    if selection is not None and (subject is None or selection.read_out in ("", subject.name)):
        told = f"of {count(selection.scores.size, 'neuron')}"
    return Tile(f"{n:,}", "", "neurons are read" if n > 1 else "neuron is read", told)
