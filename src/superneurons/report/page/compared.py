"""All ways of answering in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from superneurons.report.page.facts import Way, base_of, subject_of, ways_of
from superneurons.report.page.section import Section
from superneurons.report.page.table import Cell, Column, number, sortable
from superneurons.report.run import Run
from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.strip import Mark, draw_strip, shared_ends
from superneurons.report.svg.words import count, percent, significant

__all__ = ["compared_sections"]


def compared_sections(run: Run) -> Iterator[Section]:
    """Return the table of all rows, with what is known of chance; nothing without a comparison."""
    ways = ways_of(run)
    if not ways:
        return
    parts = [_table(run, ways), *_chance(run), *_notes(ways)]
    scored = next((way.n for way in ways if way.n), None)
    told = (
        ""
        if scored is None
        else f"Each scored on the same {count(scored, 'record')}, which it was not fitted on. "
        "In brackets: 95 % intervals."
    )
    yield Section("table", "All read-outs", told, joined(*parts))


def _table(run: Run, ways: Sequence[Way]) -> Markup:
    marks = _marks(run, ways)
    limits = shared_ends([*marks.values()]) if marks else (0.0, 1.0)
    fields = [field for field in _FIELDS if any(field[1](way) is not None for way in ways)]
    told = f"{percent(limits[0], 0)} – {percent(limits[1], 0)}"
    strip = [Column(told, "balanced accuracy with its 95 % interval")] if marks else []
    columns = [Column("read-out", numeric=False), *strip, *(field[0] for field in fields)]
    rows = []
    for way in ways:
        mark = marks.get(way.name)
        drawn = Cell("" if mark is None else draw_strip(mark, limits), way.balanced)
        cells = [_cell(way, value, write) for _, value, write in fields]
        rows.append([_name(way, mark), *([drawn] if strip else []), *cells])
    return sortable("read-outs", "All read-outs", columns, rows, "wide-table")


def _cell(way: Way, value: Callable[[Way], float | None], write: Callable[[Way], str]) -> Cell:
    found = value(way)
    return number(found, "" if found is None else write(way))


def _marks(run: Run, ways: Sequence[Way]) -> dict[str, Mark]:
    subject, base = subject_of(run, ways), base_of(ways)
    looks = {way.name: look for way, look in ((base, "base"), (subject, "ours")) if way is not None}
    return {
        way.name: Mark(way.name, way.balanced, way.balanced_interval, looks.get(way.name, "rest"))
        for way in ways
        if way.balanced is not None
    }


def _name(way: Way, mark: Mark | None) -> Cell:
    words = tag("b", way.name) if mark is not None and mark.look == "ours" else joined(way.name)
    return Cell(words, way.name.casefold())


def _with(value: float | None, interval: tuple[float, float] | None) -> str:
    """Write a percentage whose interval gives way to it."""
    if value is None or interval is None:
        return _share(value)
    low, high = interval
    return joined(_share(value), " ", tag("small", f"({100 * low:.1f}–{100 * high:.1f})"))


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _plain(value: float | None) -> str:
    return "" if value is None else significant(value)


_FIELDS: tuple[tuple[Column, Callable[[Way], float | None], Callable[[Way], str]], ...] = (
    (
        Column("balanced accuracy, %", "mean of the labels' recalls"),
        lambda way: way.balanced,
        lambda way: _with(way.balanced, way.balanced_interval),
    ),
    (
        Column("accuracy, %"),
        lambda way: way.accuracy,
        lambda way: _with(way.accuracy, way.accuracy_interval),
    ),
    (Column("F1, %"), lambda way: way.f1, lambda way: _share(way.f1)),
    (
        Column("ECE, %", "expected calibration error"),
        lambda way: way.ece,
        lambda way: _share(way.ece),
    ),
    (
        Column("exit layer", "decoder layers that run"),
        lambda way: way.exit_layer,
        lambda way: str(way.exit_layer),
    ),
    (Column("neurons", "that are read"), lambda way: way.neurons, lambda way: f"{way.neurons:,}"),
    (
        Column("ms", "median of one record, from its pictures to the answer"),
        lambda way: way.ms,
        lambda way: _plain(way.ms),
    ),
    (
        Column("× generate", "times as fast as the base model's generation"),
        lambda way: way.over_generate,
        lambda way: _plain(way.over_generate),
    ),
    (
        Column("× one token", "times as fast as the base model's first token"),
        lambda way: way.over_prefill,
        lambda way: _plain(way.over_prefill),
    ),
    (
        Column("as base, %", "answers as the base model's first token does"),
        lambda way: way.agreement,
        lambda way: _share(way.agreement),
    ),
    (
        Column("best neuron, %", "accuracy of the best single neuron on the probing set"),
        lambda way: way.best_neuron,
        lambda way: _share(way.best_neuron),
    ),
    (
        Column("null max, %", "what the best of as many reaches with shuffled labels"),
        lambda way: way.null_maximum,
        lambda way: _share(way.null_maximum),
    ),
)


def _chance(run: Run) -> Iterator[Markup]:
    null = (run.comparison or {}).get("null") or {}
    if null:
        told = "; ".join(
            f"{name.replace('_', ' ')} {percent(value)}" for name, value in null.items()
        )
        yield tag("p", "Beside them: ", told, ".", class_="caption")


def _notes(ways: Sequence[Way]) -> Iterator[Markup]:
    noted = [way for way in ways if way.note]
    if noted:
        items = (tag("li", tag("b", way.name), ": ", way.note) for way in noted)
        yield tag("ul", *items, class_="notes")
