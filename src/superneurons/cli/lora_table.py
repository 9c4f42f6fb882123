"""Super Neurons and LoRA as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superneurons.cli.output import print_whole

if TYPE_CHECKING:
    from superneurons.evaluate.comparison import Row
    from superneurons.evaluate.lora import LoraRival
    from superneurons.evaluate.spent import Spent

__all__ = ["print_rival"]

_MIB = 2**20
_COLUMNS = (
    "accuracy (95 %)", "balanced (95 %)", "behind (95 %)", "learns in s", "with MiB", "exit layer",
    "ms",
)  # fmt: skip


def print_rival(found: LoraRival) -> None:
    """Print one line per way of answering, and below it what learnt what from how much."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"{found.n_probe} probing records", no_wrap=True)
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for row in found.comparison.rows:
        table.add_row(row.name, *_cells(row, found.spent.get(row.name)))
    print_whole(table)
    console = Console(width=None if Console().is_terminal else 140)
    for line in _notes(found):
        console.print(line, highlight=False)


def _cells(row: Row, spent: Spent | None) -> tuple[str, ...]:
    scores, timing = row.scores, row.timing
    shown = ["–", "–"]
    if scores is not None:
        shown = [
            _within(scores.accuracy, scores.accuracy_interval),
            _within(scores.balanced_accuracy, scores.balanced_accuracy_interval),
        ]
    behind = "–"
    if row.lead is not None:
        lead = row.lead.balanced_accuracy
        low, high = lead.interval
        behind = f"{100 * lead.difference:+.1f} ({100 * low:+.0f} to {100 * high:+.0f})"
    peak = None if spent is None else spent.peak_bytes
    return (
        *shown,
        behind,
        "–" if spent is None else f"{spent.seconds:.1f}",
        "–" if peak is None else f"{peak / _MIB:,.0f}",
        "–" if row.exit_layer is None else str(row.exit_layer),
        "–" if timing is None else f"{timing.median:.1f}",
    )


def _within(value: float, interval: tuple[float, float]) -> str:
    return f"{100 * value:.1f} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})"


def _notes(found: LoraRival) -> list[str]:
    tuned, setting = found.tuned, found.comparison.setting
    chosen, neurons = tuned["chosen"], next(r for r in found.comparison.rows if r.neurons)
    best = "the model as it was" if not chosen["step"] else f"step {chosen['step']}"
    timing = setting["timing"]
    return [
        f"behind: how far {neurons.name} ({neurons.neurons} neurons) are ahead, in points of "
        "balanced accuracy, by paired bootstrap.",
        f"LoRA: {tuned['weights']:,} weights, trained on {tuned['trained_on']} records; "
        f"{tuned['held_out']} held out chose {best} at learning rate {chosen['rate']:g}, and "
        "calibrate. Merged into the weights it answers as fast as the base model.",
        "learns in: the frozen model over the probing records, and the fit; of LoRA all steps and "
        "looks. with: memory beyond what was held before it began "
        f"(weights: {setting['weight_bytes'] / _MIB:,.0f} MiB).",
        f"{setting['test_records']} test records; {setting['model']} with {setting['layers']} "
        f"layers, {setting['dtype']} on {setting['device']} with {setting['threads']} threads."
        + (f" Times: medians of {timing['rounds']} rounds, one record at a time."
           if timing["rounds"] else ""),
    ]  # fmt: skip
