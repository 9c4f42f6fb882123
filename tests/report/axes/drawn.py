"""What the tests of figures ask of all of them."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.use("Agg")

__all__ = ["check_paper", "given_axes", "texts"]


def given_axes() -> Axes:
    return Figure().subplots()


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def check_paper(ax: Axes) -> None:
    """One column wide, labelled, readable, nothing cut off, and nothing that pyplot knows of."""
    from matplotlib import pyplot

    figure = ax.figure
    assert isinstance(figure, Figure)
    assert figure.get_size_inches()[0] == 3.5
    assert pyplot.get_fignums() == []
    assert ax.get_xlabel()
    assert ax.get_ylabel() or ax.get_yticklabels()
    figure.savefig(io.BytesIO(), format="pdf")
    figure.draw_without_rendering()  # lays it out at its own resolution
    for label in (ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels()):
        assert 4 < label.get_fontsize() <= 8
    page = figure.bbox.padded(2)
    legend = ax.get_legend()
    for label in (ax.xaxis.label, ax.yaxis.label, *([legend] if legend else [])):
        box = label.get_window_extent()
        assert page.x0 <= box.x0 <= box.x1 <= page.x1
        assert page.y0 <= box.y0 <= box.y1 <= page.y1
    if legend:
        assert legend.get_window_extent().y0 >= ax.bbox.y1 - 2, "it covers nothing"
