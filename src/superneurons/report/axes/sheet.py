"""What every figure for papers is drawn on: one column wide, without touching global settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superneurons._extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = ["COLOURS", "DARK", "LIGHT", "MARKERS", "finished", "placed", "whole_numbers"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart with every kind of colour vision (Okabe and Ito 2008)."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""One for each colour: figures are printed in grey, too."""

DARK, LIGHT = "#333333", "#BBBBBB"

_SIZE = (3.5, 2.7)  # inches: one column of a paper
_FONT, _SMALL = 8.0, 7.0


def placed(ax: Axes | None) -> tuple[Axes, bool]:
    """Return axes to draw on, and whether they are new.

    Parameters
    ----------
    ax
        Axes to draw on; ``None`` for new ones in a figure of their own, which pyplot doesn't know.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    if ax is not None:
        return ax, False
    module = require("matplotlib.figure", extra="plot", purpose="Drawing figures")
    new: Axes = module.Figure(figsize=_SIZE, layout="constrained").add_subplot()
    for side in ("top", "right"):
        new.spines[side].set_visible(False)
    return new, True


def finished(ax: Axes, own: bool) -> Axes:
    """Return axes with text as large as one column wants it; given ones keep their own sizes."""
    if own:
        text = require("matplotlib.text", extra="plot", purpose="Drawing figures")
        for each in ax.figure.axes:
            each.tick_params(labelsize=_SMALL)
        for words in ax.figure.findobj(text.Text):
            words.set_fontsize(min(words.get_fontsize(), _FONT))
    return ax


def whole_numbers(axis: Axis) -> None:
    """Put ticks on whole numbers only, such as layers."""
    ticker = require("matplotlib.ticker", extra="plot", purpose="Drawing figures")
    axis.set_major_locator(ticker.MaxNLocator("auto", integer=True))
