"""Where the classifier and the base model are right, each and together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superneurons.evaluate.intervals import wilson
from superneurons.report.axes.sheet import COLOURS, LIGHT, finished, placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from superneurons.report.run import Agreement

__all__ = ["agreement"]


def agreement(found: Agreement, ax: Axes | None = None) -> Axes:
    """Draw the shares of records that both, one or none of the two answer rightly.

    Bars end in Wilson's 95 % intervals, which take records as independent.

    Parameters
    ----------
    found
        Numbers of records.
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
    rows = (
        ("both right", found.both_right, COLOURS[5]),
        ("only the classifier", found.only_ours, COLOURS[0]),
        ("only the base model", found.only_base, COLOURS[1]),
        ("both wrong", found.both_wrong, LIGHT),
    )
    n = sum(count for _, count, _ in rows)
    for place, (_, count, colour) in enumerate(rows):
        share, (low, high) = (count / n, wilson(count, n)) if n else (0.0, (0.0, 0.0))
        ax.barh(
            place, 100 * share, color=colour, ecolor="black", capsize=2,
            error_kw={"linewidth": 0.8},
            xerr=[[100 * max(0.0, share - low)], [100 * max(0.0, high - share)]],
        )  # fmt: skip
        ax.annotate(
            f"{count:,}", (100 * high, place), xytext=(4, 0), textcoords="offset points",
            va="center",
        )  # fmt: skip
    ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"records (%), n = {n:,}")
    return finished(ax, own)
