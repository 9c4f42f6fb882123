"""How well each read-out does, by how many layers it may read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from superneurons.report.axes.sheet import COLOURS, MARKERS, finished, placed, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from superneurons.report.run import Curve

__all__ = ["depth_curves"]


def depth_curves(curves: Sequence[Curve], ax: Axes | None = None) -> Axes:
    """Draw accuracy by exit layer, one line for each read-out, with its 95 % intervals as a band.

    Lines are solid where other records were answered than those fitted on, and dashed where it is
    cross-validated.

    Parameters
    ----------
    curves
        One for each read-out.
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
    for number, curve in enumerate(curves):
        _draw(curve, number, ax)
    ax.set_xlabel("exit layer (read up to it)")
    ax.set_ylabel("balanced accuracy (%)")
    whole_numbers(ax.xaxis)
    ax.yaxis.grid(True, linewidth=0.4, alpha=0.5)
    ax.set_axisbelow(True)
    if curves:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return finished(ax, own)


def _draw(curve: Curve, number: int, ax: Axes) -> None:
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    how = "" if curve.held_out else ", cross-validated"
    ax.plot(
        curve.layers, [100 * value for value in curve.balanced_accuracy], color=colour,
        marker=marker, markersize=3.5, linewidth=1.2, linestyle="-" if curve.held_out else "--",
        label=f"{curve.read_out} (n = {curve.n:,}{how})",
    )  # fmt: skip
    if curve.intervals:
        low, high = 100 * np.array(curve.intervals).T
        ax.fill_between(curve.layers, low, high, color=colour, alpha=0.15, linewidth=0)
