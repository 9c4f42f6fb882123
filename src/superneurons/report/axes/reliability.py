"""Whether answers are right as often as they are said to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from superneurons.evaluate.intervals import wilson
from superneurons.report.axes.sheet import COLOURS, DARK, finished, placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from superneurons.report.run import Bin

__all__ = ["reliability"]


def reliability(bins: Sequence[Bin], ax: Axes | None = None, *, ece: float | None = None) -> Axes:
    """Draw the share of right answers over confidence, with the diagonal and numbers of answers.

    Bars are Wilson's 95 % intervals, which take answers as independent: a little too narrow where
    several are about one picture.

    Parameters
    ----------
    bins
        Answers of similar confidence; empty ones are left out.
    ax
        Axes to draw on; new ones by default, in a figure of their own.
    ece
        Expected calibration error, to be written beside them.

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
    filled = [one for one in bins if one.n]
    low = 100 * min((one.low for one in filled), default=0.0)
    ax.plot([low, 100], [low, 100], color=DARK, linestyle="--", linewidth=0.8)
    ends = [wilson(round(one.accuracy * one.n), one.n) for one in filled]
    values = [100 * one.accuracy for one in filled]
    below = [max(0.0, value - 100 * end[0]) for value, end in zip(values, ends, strict=True)]
    above = [max(0.0, 100 * end[1] - value) for value, end in zip(values, ends, strict=True)]
    ax.errorbar(
        [100 * one.confidence for one in filled], values, yerr=[below, above], fmt="o-",
        color=COLOURS[0], markersize=4, linewidth=1, elinewidth=0.8, capsize=2,
    )  # fmt: skip
    for one in filled:
        ax.annotate(
            f"{one.n:,}", (50 * (one.low + one.high), 0.02), ha="center",
            xycoords=("data", "axes fraction"), color=DARK,
        )  # fmt: skip
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom - 0.1 * (top - bottom), top)  # room for the numbers
    ax.set_xlabel("confidence (%); numbers: answers")
    ax.set_ylabel("right answers (%)")
    if ece is not None:
        ax.annotate(
            f"expected calibration error {100 * ece:.1f} %", (0.03, 0.97), va="top",
            xycoords="axes fraction",
        )  # fmt: skip
    return finished(ax, own)
