"""Labels against answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from superneurons.report.axes.sheet import finished, placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from superneurons.report.run import Confusion

__all__ = ["confusion"]

_MANY = 6  # labels; more are written upright, and their numbers smaller


def confusion(found: Confusion, ax: Axes | None = None) -> Axes:
    """Draw how often records of each label got each answer: numbers, and colours by share of a row.

    Parameters
    ----------
    found
        Labels and counts.
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
    counts = np.array(found.counts, dtype=float).reshape(len(found.labels), -1)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    many = len(found.labels) > _MANY
    for (row, column), count in np.ndenumerate(counts):
        ax.text(
            column, row, f"{count:.0f}", ha="center", va="center", fontsize=5 if many else None,
            color="white" if shares[row, column] > 60 else "black",
        )  # fmt: skip
    places = range(len(found.labels))
    ax.set_xticks(places, found.labels, rotation=90 if many else 0)
    ax.set_yticks(places, found.labels)
    ax.set_xlabel("answer")
    ax.set_ylabel("label")
    ax.figure.colorbar(image, ax=ax).set_label("share of the label's records (%)")
    return finished(ax, own)
