"""What notebooks show of comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superneurons._html import paragraph, table

if TYPE_CHECKING:
    from superneurons.evaluate.comparison import Comparison, Row
    from superneurons.evaluate.neurons import NeuronsSeen

__all__ = ["comparison_html", "neurons_html"]

_HEAD = ("", "balanced accuracy (95 %)", "accuracy (95 %)", "exit layer", "neurons", "ms", "note")


def comparison_html(found: Comparison) -> str:
    """Return the table of all ways to answer, and the recommendation where there is one."""
    n = found.setting.get("test_records")
    caption = "" if n is None else f"Scored on {n:,} records"
    said = found.recommendation
    return table(_HEAD, [_cells(row) for row in found.rows], caption=caption) + paragraph(
        "" if said is None else said.sentence
    )


def neurons_html(seen: NeuronsSeen) -> str:
    """Return the neurons that were looked at, without their pictures."""
    rows = [
        (
            f"layer {one.layer}, neuron {one.column}",
            None if one.weight is None else f"{one.weight:+.3g}",
            f"{one.says} {'above' if one.above else 'below'} {one.threshold:.3g}",
            f"{100 * one.balanced_accuracy:.1f}",
            f"{100 * one.agreement:.1f}",
        )
        for one in seen.neurons
    ]
    head = ("", "weight per SD", "says", "balanced accuracy alone", "as the classifier (%)")
    return table(head, rows, caption=f"{seen.questions:,} questions") + paragraph(
        f"The classifier: {seen.balanced_accuracy:.1%} balanced. Single neurons are cut where they "
        "are best on these records, which makes them look a little too good."
    )


def _cells(row: Row) -> tuple[object, ...]:
    scores = row.scores
    return (
        row.name,
        scores and _with_interval(scores.balanced_accuracy, scores.balanced_accuracy_interval),
        scores and _with_interval(scores.accuracy, scores.accuracy_interval),
        row.exit_layer,
        row.neurons,
        None
        if row.timing is None
        else f"{row.timing.median:,.{1 if row.timing.median < 10 else 0}f}",
        row.note,
    )


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{100 * value:.1f} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})"
