"""A search for shortcuts as a table."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from superneurons.cli.output import print_whole
from superneurons.cli.table import print_comparison

if TYPE_CHECKING:
    from superneurons.evaluate.comparison import Comparison
    from superneurons.shortcut.search_points import Point, ShortcutSearch

__all__ = ["print_choice", "print_front"]


def print_front(found: ShortcutSearch, title: str) -> None:
    """Print the points that no other beats at both accuracy and cost, and how they were found."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("site", "layer", "pixels", "order"):
        table.add_column(name)
    for name in ("balanced (95 %)", "ms", "× whole model"):
        table.add_column(name, justify="right")
    for point in found.front():
        table.add_row(*_cells(point))
    print(title)
    print_whole(table)
    console = Console(width=None if Console().is_terminal else 140)
    for line in _notes(found.settings, len(found.points)):
        console.print(line, highlight=False)


def _cells(point: Point) -> tuple[str, ...]:
    low, high = point.interval
    return (
        str(point.site),
        str(point.depth),
        "as they are" if point.resolution is None else str(point.resolution),
        point.order if point.template is None else "own template",
        f"{100 * point.accuracy:.1f} ({100 * low:.0f}–{100 * high:.0f})",
        f"{point.cost_ms:.3g}",
        f"{point.ratio:.1f}",
    )


def _notes(settings: Any, n_points: int) -> list[str]:
    costs = settings["costs"]
    whole, batch = costs["whole_model"], costs["batch"]
    return [
        f"{n_points} points tried, each cross-validated on the same {settings['folds']} folds of "
        f"{settings['records_answered']} records: those shown are not beaten by any other in both "
        "accuracy and time. They are a little too good, as they were picked by it.",
        f"Times: medians of {whole['repeats']} rounds from prepared inputs to activations, "
        f"{batch} record{'s' * (batch > 1)} at a time, measured at some layers and linear between; "
        f"the whole model to its label logits {whole['median']:.3g} ms. {settings['model']}, "
        f"{settings['dtype']} on {settings['device']} with {settings['threads']} threads; exits "
        f"run {', '.join(costs['ways'])}.",
    ]


def print_choice(point: Point, verified: Comparison, out: Path | None) -> None:
    """Print what was chosen and how it does on held-out records, beside its rivals."""
    from superneurons.evaluate.search import CALIBRATED

    print(f"\nChosen: {point} (× {point.ratio:.1f}). On held-out records:")
    print_comparison(verified)
    row = next((row for row in verified.rows if row.name == CALIBRATED), None)
    if row is not None and row.lead is not None:
        found = row.lead.balanced_accuracy
        low, high = found.interval
        print(
            f"Ahead of the calibrated base model by {100 * found.difference:+.1f} points of "
            f"balanced accuracy ({100 * low:+.1f} to {100 * high:+.1f})."
        )
    if out is not None:
        typed = quote(str(out))
        print(f"Saved to {out}. Next: superneurons eval {typed} --data <other labelled pictures>")
