"""What notebooks show of comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superneurons._html import paragraph, table

if TYPE_CHECKING:
    from superneurons.evaluate.comparison import Comparison, Row

__all__ = ["comparison_html"]

_HEAD = ("", "balanced accuracy (95 %)", "accuracy (95 %)", "exit layer", "neurons", "ms", "note")


def comparison_html(found: Comparison) -> str:
    """Return the table of all ways to answer, and the recommendation where there is one."""
    n = found.setting.get("test_records")
    caption = "" if n is None else f"Scored on {n:,} records"
    said = found.recommendation
    return table(_HEAD, [_cells(row) for row in found.rows], caption=caption) + paragraph(
        "" if said is None else said.sentence
    )


def _cells(row: Row) -> tuple[object, ...]:
    scores = row.scores
    return (
        row.name,
        scores and _with_interval(scores.balanced_accuracy, scores.balanced_accuracy_interval),
        scores and _with_interval(scores.accuracy, scores.accuracy_interval),
        row.exit_layer,
        row.neurons,
        None if row.timing is None else f"{row.timing.median:.3g}",
        row.note,
    )


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{100 * value:.1f} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})"
