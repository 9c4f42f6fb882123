"""How good all neurons are by themselves, beside what chance gives the best of as many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from superneurons.report.axes.sheet import COLOURS, DARK, LIGHT, finished, placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from superneurons.report.run import Selection

__all__ = ["score_distribution"]

_BINS = 40


def score_distribution(selection: Selection, ax: Axes | None = None) -> Axes:
    """Draw how many neurons have which score alone, against the same search on shuffled labels.

    Numbers are on a logarithmic axis. The dashed line is what the best of all neurons exceeds in
    1 of 20 shuffles.

    Parameters
    ----------
    selection
        Scores, what was chosen, and the best score of each shuffle.
    ax
        Axes to draw on; new ones by default, in a figure of their own.

    Returns
    -------
    matplotlib.axes.Axes
        Its ``figure`` can be saved.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    ax, own = placed(ax)
    scores = 100 * selection.scores.ravel()
    chosen = 100 * np.array([one.score for one in selection.chosen])
    null = 100 * np.array(selection.null_maxima)
    edges = _edges(np.concatenate([scores, chosen, null]), selection.n)
    ax.hist(scores, edges, color=LIGHT, label=f"all {scores.size:,} neurons")
    if chosen.size:
        ax.hist(
            chosen, edges, histtype="step", color=COLOURS[0], linewidth=1.3,
            label=f"{chosen.size:,} chosen",
        )  # fmt: skip
    if null.size:
        ax.hist(
            null, edges, histtype="stepfilled", color=COLOURS[1], alpha=0.6,
            label=f"best of all, {null.size:,} shuffles",
        )  # fmt: skip
        chance = float(np.quantile(null, 0.95))
        ax.axvline(
            chance, color=DARK, linestyle="--", linewidth=1, label=f"chance maximum: {chance:.1f} %"
        )
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.7)
    ax.set_xlabel(f"balanced accuracy alone (%), {selection.n:,} questions")
    ax.set_ylabel("number")
    ax.legend(
        loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2, frameon=False, handlelength=1.2,
        columnspacing=1,
    )  # fmt: skip
    return finished(ax, own)


def _edges(values: NDArray[np.floating], n: int) -> list[float]:
    """Part the scores into bins of whole steps: others hold now more, now fewer possible scores."""
    step = 100 / max(n, 1)
    low = np.floor(values.min() / step) - 0.5
    each = max(1, int(np.ceil((values.max() / step - low) / _BINS)))
    count = int(np.ceil((values.max() / step + 0.5 - low) / each))
    edges: list[float] = (step * (low + each * np.arange(count + 1))).tolist()
    return edges
