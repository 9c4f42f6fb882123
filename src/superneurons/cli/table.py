"""A comparison as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from superneurons.cli.output import print_whole

if TYPE_CHECKING:
    from rich.console import Console

    from superneurons.evaluate.comparison import Comparison, Row

__all__ = ["print_comparison", "print_contest"]

_NULLS = {
    "balanced_accuracy_95_of_shuffled_labels": "balanced accuracy with shuffled labels, at most "
    "(95 of 100 shuffles)"
}


def print_comparison(found: Comparison) -> None:
    """Print one line per way of answering on standard output, and what was measured below it."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("accuracy (95 %)", "balanced (95 %)", "F1", "exit layer", "neurons", "ms"):
        table.add_column(name, justify="right")
    table.add_column("× generate", justify="right")
    table.add_column("× one token", justify="right")
    for row in found.rows:
        table.add_row(
            row.name,
            *_scores(row),
            _or_dash(row.exit_layer, "{}"),
            _or_dash(row.neurons, "{}"),
            _or_dash(None if row.timing is None else row.timing.median, "{:.0f}"),
            _or_dash(found.speed_up(row, GENERATE), "{:.1f}"),
            _or_dash(found.speed_up(row, FIRST_TOKEN), "{:.1f}"),
        )
    console = _console(140)
    print_whole(table)
    _print_notes(console, found)


def print_contest(found: Comparison) -> None:
    """Print a comparison of all read-outs: scores with intervals, chance, and a recommendation."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in (
        "accuracy (95 %)", "balanced (95 %)", "F1 (95 %)", "ECE", "exit layer", "neurons", "ms",
        "best neuron", "null max", "as base", "behind the first (95 %)",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for row in found.rows:
        table.add_row(row.name, *_contest_cells(row))
    console = _console(190)
    print_whole(table)
    _print_notes(console, found)
    shuffles = found.setting["shuffles"]
    console.print(
        "best neuron: accuracy of the best single neuron under the sign rule on the probing set "
        f"that chose it; null max: what the best of as many reaches in {shuffles} label shuffles "
        "(95th percentile); as base: how often it answers as the base model's first token does.",
        highlight=False,
    )
    if found.recommendation is not None:
        console.print(f"\n{found.recommendation.sentence}", highlight=False)


def _contest_cells(row: Row) -> tuple[str, ...]:
    scores, lead = row.scores, row.lead
    cells = ("–", "–", "–", "–")
    if scores is not None:
        cells = (
            _with_interval(scores.accuracy, scores.accuracy_interval),
            _with_interval(scores.balanced_accuracy, scores.balanced_accuracy_interval),
            _with_interval(scores.f1, scores.f1_interval),
            "–" if scores.ece is None else f"{100 * scores.ece:.1f}",
        )
    behind = "–"
    if lead is not None:
        found = lead.balanced_accuracy
        low, high = found.interval
        behind = f"{100 * found.difference:+.1f} ({100 * low:+.0f} to {100 * high:+.0f})"
    return (
        *cells,
        _or_dash(row.exit_layer, "{}"),
        _or_dash(row.neurons, "{}"),
        _or_dash(None if row.timing is None else row.timing.median, "{:.0f}"),
        _or_dash(row.best_neuron, "{:.1%}").removesuffix("%"),
        _or_dash(row.null_maximum, "{:.1%}").removesuffix("%"),
        _or_dash(row.agreement, "{:.1%}").removesuffix("%"),
        behind,
    )


def _console(width: int) -> Console:
    from rich.console import Console

    return Console(width=None if Console().is_terminal else width)


def _print_notes(console: Console, found: Comparison) -> None:
    for row in found.rows:
        if row.note:
            console.print(f"{row.name}: {row.note}", highlight=False)
    for name, value in found.null.items():
        console.print(f"{_NULLS.get(name, name.replace('_', ' '))}: {value:.1%}", highlight=False)
    setting, rounds = found.setting, found.setting["timing"]["rounds"]
    times = (
        f" Times: medians of {rounds} rounds, one record at a time "
        f"({setting['timing']['counted']}).{_early_exits(setting)}"
    )
    console.print(
        f"{setting['test_records']} test records; {setting['model']} with {setting['layers']} "
        f"layers, {setting['dtype']} on {setting['device']} with {setting['threads']} threads, "
        f"{setting['prompt_tokens']} prompt tokens.{times if rounds else ''}",
        highlight=False,
    )


def _early_exits(setting: dict[str, Any]) -> str:
    found = setting.get("early_exits")
    if found is None:
        return ""
    return f" Early exits: {found['path']}" + (f" ({found['reason']})." if found["reason"] else ".")


def _scores(row: Row) -> tuple[str, str, str]:
    if row.scores is None:
        return ("–", "–", "–")
    scores = row.scores
    return (
        _with_interval(scores.accuracy, scores.accuracy_interval),
        _with_interval(scores.balanced_accuracy, scores.balanced_accuracy_interval),
        f"{scores.f1:.1%}".removesuffix("%"),
    )


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{100 * value:.1f} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})"


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
