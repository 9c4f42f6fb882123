"""How good the read-outs are, by exit layer and for their time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from superneurons.report.page.facts import answers_of, base_of, subject_of, ways_of
from superneurons.report.page.figure import HALF, WIDE, figure
from superneurons.report.page.neurons import chance_figure
from superneurons.report.page.section import Section, row
from superneurons.report.page.table import Cell, Column, number, sortable
from superneurons.report.run import Curve, Run, Tradeoff
from superneurons.report.svg.curves import Levels, draw_curves
from superneurons.report.svg.front import draw_front, front_of, front_told
from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.reliability import draw_reliability, reliability_alt
from superneurons.report.svg.words import count, percent, significant, with_ends

__all__ = ["accuracy_sections", "levels_of", "ordered_curves"]


_FAR = 0.3


def accuracy_sections(run: Run) -> Iterator[Section]:
    """Return chance beside exit layers, then time beside confidence, as far as they are known."""
    for name, figures in (
        ("layers", {"chance": chance_figure(run), "exit layers": _curves(run)}),
        ("time", {"time": _front(run), "confidence": _reliability(run)}),
    ):
        shown = {title: part for title, part in figures.items() if part is not None}
        if shown:
            title = " and ".join(shown).capitalize()
            more = _points(run) if name == "time" else ()
            yield Section(name, title, "", joined(row(*shown.values()), *more))


def ordered_curves(run: Run) -> tuple[Curve, ...]:
    """Return the curves, that of the read-out which the report is about first."""
    subject = subject_of(run, ways_of(run))
    first = "" if subject is None else subject.name
    return tuple(sorted(run.curves, key=lambda curve: curve.read_out != first))


def levels_of(run: Run) -> Levels:
    """Return what curves are seen beside: the base model only if it answered the same records."""
    ways = ways_of(run)
    base = base_of(ways)
    same = base is not None and all(c.held_out and c.n == base.n for c in run.curves)
    shown = [value for curve in run.curves for value in curve.balanced_accuracy]
    chance = 1 / len(run.labels) if run.labels else None
    if chance is not None and shown and chance < min(shown) - _FAR:
        chance = None  # all curves would be pressed together at the top
    return Levels(base.balanced if same and base is not None else None, chance)


def _curves(run: Run) -> Markup | None:
    if not run.curves:
        return None
    curves, levels = ordered_curves(run), levels_of(run)
    kinds = {
        f"{count(curve.n, 'record')} "
        + (
            "that nothing was fitted on"
            if curve.held_out
            else "of the probing set, cross-validated"
        )
        for curve in curves
    }
    bars = (
        "95 % intervals" if any(curve.intervals for curve in curves) else "no intervals estimated"
    )
    caption = (
        "Each read-out fitted again with the layers up to the exit layer only, all later ones not "
        f"run. On {' and '.join(sorted(kinds))}; {bars}.{_dashed(levels)}"
    )
    return figure(
        "curves", lambda width, name: draw_curves(curves, levels, width, name), caption, WIDE
    )


def _dashed(levels: Levels) -> str:
    told = [
        f"{name} {percent(level)}"
        for name, level in (("the base model", levels.base), ("guessing", levels.chance))
        if level is not None
    ]
    return f" Dashed: {', '.join(told)}." if told else ""


def _front(run: Run) -> Markup | None:
    if len(run.tradeoffs) < 2:
        return None
    caption = (
        f"{front_told(run.tradeoffs)}; the line joins the best. Vertical bars: 95 % "
        f"intervals{_scored_on(run.tradeoffs)}; horizontal ones: quartiles of the time of one "
        "record. All values are in the table below."
    )
    return figure(
        "front", lambda width, name: draw_front(run.tradeoffs, width, name), caption, WIDE
    )


def _scored_on(points: Sequence[Tradeoff]) -> str:
    if all(point.held_out for point in points):
        return " on records that nothing was fitted on"
    if any(point.held_out for point in points):
        return ", of some on records that they weren't fitted on, of the others cross-validated"
    return ", cross-validated"


def _reliability(run: Run) -> Markup | None:
    if not any(part.n for part in run.bins):
        return None
    caption = (
        f"{answers_of(run)}{reliability_alt(run.bins, run.ece).finding} Bars through points: "
        "Wilson 95 % intervals; below: answers in each bin. Above the dashed line answers "
        "are right more often than sure, below it they are surer than right."
    )
    return figure(
        "reliability",
        lambda width, name: draw_reliability(run.bins, run.ece, width, name),
        caption,
        HALF,
    )


def _points(run: Run) -> Iterator[Markup]:
    """Return a table of points that the table of read-outs doesn't have."""
    known = {way.name for way in ways_of(run)}
    if len(run.tradeoffs) < 2 or all(point.name in known for point in run.tradeoffs):
        return
    table = sortable("points", "All points", _POINT_COLUMNS, _point_rows(run.tradeoffs), "tall")
    summary = tag("summary", f"All {count(len(run.tradeoffs), 'point')} as a table")
    yield tag("details", summary, table, open=len(run.tradeoffs) <= 20)


_POINT_COLUMNS = (
    Column("point", numeric=False),
    Column("balanced accuracy, % (95 %)"),
    Column("ms", "median of one record"),
    Column("exit layer"),
    Column("on the front", numeric=False),
)


def _point_rows(points: Sequence[Tradeoff]) -> list[tuple[Cell, ...]]:
    front = front_of(points)
    return [
        (
            Cell(point.name + (" (chosen)" if point.chosen else ""), point.name.casefold()),
            number(point.balanced_accuracy, with_ends(point.balanced_accuracy, point.interval)),
            number(point.ms, significant(point.ms)),
            number(point.exit_layer, str(point.exit_layer)),
            Cell("yes" if point in front else "", "a" if point in front else "b"),
        )
        for point in points
    ]
