"""Every neuron's score, layer by layer, and the chosen ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from superneurons.report.axes.sheet import finished, placed, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from superneurons.report.run import Chosen, Selection

__all__ = ["neuron_map"]

_MOST_COLUMNS = 1024
_SMALLEST, _LARGEST = 4.0, 40.0  # square points
_MANY = 100
_SIGNS = ((True, "^", "weight above 0"), (False, "v", "weight below 0"))


def neuron_map(selection: Selection, ax: Axes | None = None) -> Axes:
    """Draw layer × neuron: the score of each alone, the chosen ones as triangles.

    Triangles point to the sign of the weight, and are as large as it is. Where a layer has more
    than 1024 neurons, a place shows the best of its neighbours.

    Parameters
    ----------
    selection
        Scores of shape (L, W) and what was chosen.
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
    layers, width = selection.scores.shape
    best, each = _best_of_neighbours(100 * selection.scores)
    image = ax.imshow(
        best, cmap="cividis", aspect="auto", origin="lower", interpolation="nearest",
        extent=(-0.5, best.shape[1] * each - 0.5, 0.5, layers + 0.5),
    )  # fmt: skip
    ax.set_xlim(-0.5, width - 0.5)
    scale = _Scale.of(selection.chosen)
    for above, marker, name in _SIGNS:
        _mark([c for c in selection.chosen if (c.weight >= 0) == above], ax, marker, name, scale)
    ax.set_xlabel(f"neuron of the {selection.kind} site")
    ax.set_ylabel("layer")
    whole_numbers(ax.yaxis)
    of_each = f"best of {each}" if each > 1 else "of each neuron"
    bar = ax.figure.colorbar(image, ax=ax)
    bar.set_label(f"balanced accuracy (%)\n{of_each} alone")
    if selection.chosen:
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, handletextpad=0,
            columnspacing=0.5, borderpad=0,
        )  # fmt: skip
    return finished(ax, own)


@dataclass(frozen=True)
class _Scale:
    """How large marks are: the more there are, the smaller, so that scores stay visible."""

    heaviest: float
    size: float

    @classmethod
    def of(cls, chosen: Sequence[Chosen]) -> Self:
        heaviest = max((abs(one.weight) for one in chosen), default=0.0) or 1.0
        return cls(heaviest, min(1.0, _MANY / max(1, len(chosen))))


def _best_of_neighbours(scores: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Thin out columns by their maxima, as averages would hide a single good neuron."""
    each = -(-scores.shape[1] // _MOST_COLUMNS)
    starts = np.arange(0, scores.shape[1], each)
    return np.fmax.reduceat(scores, starts, axis=1), each


def _mark(chosen: list[Chosen], ax: Axes, marker: str, name: str, scale: _Scale) -> None:
    if chosen:
        sizes = [
            _SMALLEST + (_LARGEST - _SMALLEST) * abs(c.weight) / scale.heaviest for c in chosen
        ]
        ax.scatter(
            [c.column for c in chosen], [c.layer for c in chosen],
            s=[scale.size * size for size in sizes], marker=marker, facecolors="white",
            edgecolors="black", linewidths=0.6 * scale.size, label=name,
        )  # fmt: skip
