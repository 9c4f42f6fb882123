"""A reproduction as tables of 100 columns, the paper's printed figures beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from superneurons.cli.output import print_whole

if TYPE_CHECKING:
    from rich.table import Table

    from superneurons.evaluate.reproduction.agreement import Agreement
    from superneurons.evaluate.reproduction.figures import Figure
    from superneurons.evaluate.reproduction.printed import Printed
    from superneurons.evaluate.reproduction.reproduced import Null, Reproduction, Way

__all__ = ["print_agreement", "print_reproduction"]

_WIDTH = 100
_FIGURES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
_HEADS = ("acc.", "bal.", "prec.", "recall", "F1", "L*", "exit", "K", "SNt")
_MOST_SHOWN = 20
_AFTER = "@first_generated"


def print_reproduction(found: Reproduction) -> None:
    """Print what was found on standard output."""
    title = f"{found.settings.task}, {found.measured.name}"
    beside = found.paper or "no rows of the paper are of this task and model: ours only"
    _say(f"{title}. Printed: {beside}." if found.paper else f"{title}; {beside}.")
    tested = [way for way in found.ways if way.scored_on == "validation"]
    probed = [way for way in found.ways if way.scored_on == "probing"]
    figures = next(way.figures for way in tested if way.figures is not None)
    _say(
        f"\nValidation: {figures.n} binary questions, {figures.positives} of them "
        f'"{found.measured.classes[1]}".'
    )
    print_whole(_table(tested))
    if any(way.whole is not None for way in tested):
        _say(
            'Whole questions, answered by the option with the strongest "yes" (ours: the paper '
            f"scores binary questions only): {found.measured.test_records}."
        )
        print_whole(_whole_table(tested))
    _say("The probing set that chose the neurons (in-sample, as the paper's Table 1):")
    print_whole(_table(probed))
    for line in _notes(found):
        _say(line)


def _say(text: str) -> None:
    from rich.console import Console

    Console(width=_WIDTH).print(text, highlight=False, markup=False)


def _empty(heads: Sequence[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("in %", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _table(ways: Sequence[Way]) -> Table:
    table = _empty(_HEADS)
    for later in (False, True):
        part = [way for way in ways if way.key.endswith(_AFTER) == later]
        if later and part:
            table.add_row("at the first generated token:")
        for way in part:
            table.add_row(way.name, *_ours(way))
            if way.figures is not None:
                table.add_row("  95 %", *_intervals(getattr(way.figures, f) for f in _FIGURES))
            if way.printed is not None:
                table.add_row(f"  printed, {way.printed.source}", *_theirs(way.printed))
    return table


def _ours(way: Way) -> tuple[str, ...]:
    values: tuple[str, ...] = ("–",) * len(_FIGURES)
    if way.figures is not None:
        values = tuple(_share(getattr(way.figures, name).value) for name in _FIGURES)
    return (*values, _or_dash(way.last_layer), _or_dash(way.exit_layer), _or_dash(way.neurons),
            _share(way.threshold))  # fmt: skip


def _theirs(row: Printed) -> tuple[str, ...]:
    values = (row.accuracy, None, row.precision, row.recall, row.f1)
    shown = tuple("–" if value is None else f"{value:.1f}" for value in values)
    threshold = "–" if row.threshold is None else f"{row.threshold:.1f}"
    return (*shown, _or_dash(row.last_layer), "–", "–", threshold)


def _whole_table(ways: Sequence[Way]) -> Table:
    table = _empty(_HEADS[:2])
    for way in ways:
        if way.whole is not None:
            after = " (first generated token)" if way.key.endswith(_AFTER) else ""
            both = (way.whole.accuracy, way.whole.balanced_accuracy)
            table.add_row(way.name + after, *(_share(figure.value) for figure in both))
            table.add_row("  95 %", *_intervals(both))
    return table


def _intervals(figures: Iterable[Figure]) -> list[str]:
    return ["{:.0f}–{:.0f}".format(*(100 * end for end in f.interval)) for f in figures]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _or_dash(value: int | None) -> str:
    return "–" if value is None else str(value)


def _notes(found: Reproduction) -> list[str]:
    m, s = found.measured, found.settings
    said = dict.fromkeys(
        f"{way.name}: {way.note}."
        for way in found.ways
        if way.note and way.scored_on == "validation"
    )
    layers = "" if s.max_layer is None else f", of which {s.max_layer} may be read"
    return [
        *said,
        *map(_null, found.nulls),
        "L*: deepest layer with a neuron; exit: decoder layers that have to run; K: neurons.",
        f"{m.probing_questions} probing questions, half of them "
        f'"{m.classes[1]}"; {m.test_questions} test questions of {m.test_records} records. '
        f"{m.family}, {m.layers} layers of {m.hidden_size}{layers}, {m.dtype} on {m.device}, "
        f"threads: {m.threads}; seed {s.seed}; SNt swept in steps of {_step(s.margin_step)}.",
    ]


def _step(step: float | None) -> str:
    return f"{100 * (step or 0):g} points"


def _null(null: Null) -> str:
    at = "" if null.position == "last_prompt" else ", at the first generated token"
    return (
        f"Chance: the best of {null.neurons} neurons reaches {null.shuffled:.1%} on these "
        f"{null.questions} questions with shuffled labels (95th percentile), coins "
        f"{null.coins:.1%}; the best one has {null.best:.1%}{at}."
    )


def print_agreement(same: Agreement, file: Path) -> None:
    """Print whether figures are those of a file, and what may be why they aren't."""
    if same.equal:
        _say(f"Again: all {same.figures} values are those of {file}.")
    else:
        _say(f"Again: {len(same.differing)} of {same.figures} values are not those of {file}:")
        for one in same.differing[:_MOST_SHOWN]:
            _say(f"  {one.where}: {one.before} there, {one.now} now")
        if len(same.differing) > _MOST_SHOWN:
            _say(f"  … and {len(same.differing) - _MOST_SHOWN} more")
    for one in same.changed:
        _say(f"Changed since: {one.where}, {one.before} there, {one.now} now.")
