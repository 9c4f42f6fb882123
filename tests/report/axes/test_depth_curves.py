from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from report.axes.drawn import check_paper, given_axes
from report.runs import curves
from superneurons.report.axes import depth_curves


def test_each_read_out_is_a_line_within_its_intervals() -> None:
    given = curves(3)
    ax = depth_curves(given)
    assert len(ax.lines) == len(ax.collections) == 3
    for curve, line, band in zip(given, ax.lines, ax.collections, strict=True):
        assert np.allclose(to_rgb(line.get_color()), band.get_facecolor()[0][:3])
        assert band.get_facecolor()[0][3] < 0.5, "lines show through"
        assert list(line.get_xdata()) == list(curve.layers)
        assert line.get_ydata() == pytest.approx(100 * np.array(curve.balanced_accuracy))
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == pytest.approx(100 * min(low for low, _ in curve.intervals))
        assert heights.max() == pytest.approx(100 * max(high for _, high in curve.intervals))
    assert ax.get_ylabel() == "balanced accuracy (%)"
    assert ax.get_axisbelow() is True
    check_paper(ax)


def test_layers_are_whole_numbers_and_each_line_is_named() -> None:
    given = [replace(c, layers=(1, 2), balanced_accuracy=c.balanced_accuracy[:2], intervals=())
             for c in curves(2)]  # fmt: skip
    ax = depth_curves(given)
    assert all(float(tick).is_integer() for tick in ax.get_xticks())
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [name.partition(" (")[0] for name in names] == [curve.read_out for curve in given]


def test_lines_are_told_apart_without_colour() -> None:
    lines = depth_curves(curves(5)).lines
    assert len({line.get_marker() for line in lines}) == 5
    assert len({line.get_color() for line in lines}) == 5


def test_cross_validated_lines_are_dashed_and_say_so() -> None:
    (held,) = depth_curves(curves(1)).lines
    (crossed,) = depth_curves(curves(1, held_out=False)).lines
    assert (held.get_linestyle(), crossed.get_linestyle()) == ("-", "--")
    assert "cross-validated" in crossed.get_label()
    assert "cross-validated" not in held.get_label()


def test_without_intervals_there_is_no_band() -> None:
    ax = depth_curves([replace(curves(1)[0], intervals=())])
    assert len(ax.lines) == 1
    assert not ax.collections


def test_more_lines_than_colours_are_drawn() -> None:
    assert len(depth_curves(curves(4) * 3).lines) == 12


def test_no_curves_leave_empty_axes() -> None:
    ax = depth_curves([])
    assert not ax.lines
    assert ax.get_legend() is None
    check_paper(ax)


def test_given_axes_are_drawn_on() -> None:
    ax = given_axes()
    assert depth_curves(curves(2), ax) is ax
    assert len(ax.lines) == 2
