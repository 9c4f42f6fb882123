"""What accuracy costs in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from superneurons.report.axes.sheet import COLOURS, DARK, LIGHT, finished, placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from superneurons.report.run import Tradeoff

__all__ = ["tradeoff_front"]

_MOST_NAMED = 6


def tradeoff_front(tradeoffs: Sequence[Tradeoff], ax: Axes | None = None) -> Axes:
    """Draw balanced accuracy over milliseconds, with the front that nothing beats at both.

    Bars are 95 % intervals of the accuracy, and quartiles of the time; hollow points are
    cross-validated. Points of the front are numbered and named below, unless they are many.

    Parameters
    ----------
    tradeoffs
        Ways to answer; the chosen one is a star.
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
    best = _front(tradeoffs)
    for one in tradeoffs:
        _draw(one, ax, on_front=one in best)
    ax.plot(
        [one.ms for one in best], [100 * one.balanced_accuracy for one in best],
        color=COLOURS[0], linewidth=1, drawstyle="steps-post", zorder=1,
    )  # fmt: skip
    names = _named(tradeoffs, best, ax)
    ax.set_xscale("log")
    _plain_ticks(tradeoffs, ax)
    ax.set_xlabel("\n".join(["time of one record (ms, log scale)", *names]))
    ax.set_ylabel("balanced accuracy (%)")
    return finished(ax, own)


def _front(tradeoffs: Sequence[Tradeoff]) -> list[Tradeoff]:
    found: list[Tradeoff] = []
    for one in sorted(tradeoffs, key=lambda t: (t.ms, -t.balanced_accuracy)):
        if not found or one.balanced_accuracy > found[-1].balanced_accuracy:
            found.append(one)
    return found


def _draw(one: Tradeoff, ax: Axes, *, on_front: bool) -> None:
    value = 100 * one.balanced_accuracy
    colour = COLOURS[1] if one.chosen else COLOURS[0] if on_front else DARK
    ax.errorbar(
        one.ms, value,
        xerr=[[max(0.0, one.ms - one.ms_range[0])], [max(0.0, one.ms_range[1] - one.ms)]],
        yerr=[[max(0.0, value - 100 * one.interval[0])], [max(0.0, 100 * one.interval[1] - value)]],
        fmt="*" if one.chosen else "o", markersize=9 if one.chosen else 3.5, color=colour,
        markerfacecolor=colour if one.held_out else "white", ecolor=colour if on_front else LIGHT,
        elinewidth=0.7, zorder=3 if on_front or one.chosen else 2, label=one.name,
    )  # fmt: skip


def _named(tradeoffs: Sequence[Tradeoff], best: list[Tradeoff], ax: Axes) -> list[str]:
    """Number what is worth a name, and return the names."""
    chosen = [one for one in tradeoffs if one.chosen]
    worth = [*best, *(one for one in chosen if one not in best)]
    if len(worth) > _MOST_NAMED:
        worth = chosen
    for number, one in enumerate(worth, start=1):
        ax.annotate(
            str(number), (one.ms, 100 * one.balanced_accuracy), xytext=(3, 4),
            textcoords="offset points",
        )  # fmt: skip
    return [f"{n} {one.name}{', chosen' * one.chosen}" for n, one in enumerate(worth, start=1)]


def _plain_ticks(tradeoffs: Sequence[Tradeoff], ax: Axes) -> None:
    """Write 20 and 50 rather than powers of ten, over the times that there are."""
    if not tradeoffs:
        return
    times = [one.ms for one in tradeoffs]
    low, high = np.floor(np.log10(min(times))), np.ceil(np.log10(max(times)))
    ticks = [m * 10.0**e for e in np.arange(low, high + 1) for m in (1, 2, 5)]
    ax.set_xlim(min(times) / 1.4, max(times) * 1.4)
    inside = [t for t in ticks if min(times) / 1.4 <= t <= max(times) * 1.4]
    if len(inside) > 1:
        ax.set_xticks(inside, [f"{t:g}" for t in inside])
        ax.set_xticks([], minor=True)
