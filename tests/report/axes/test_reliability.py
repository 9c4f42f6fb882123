from __future__ import annotations

import pytest

from report.axes.drawn import check_paper, given_axes, texts
from report.runs import bins
from superneurons.evaluate.intervals import wilson
from superneurons.report.axes import reliability
from superneurons.report.run import Bin


def test_points_lie_at_mean_confidence_and_accuracy_with_wilsons_interval() -> None:
    ax = reliability([Bin(0.5, 0.6, 20, 0.56, 0.4), Bin(0.9, 1.0, 50, 0.97, 1.0)])
    (bars,) = ax.containers
    line, _, (upright,) = bars.lines
    assert line.get_xdata() == pytest.approx([56, 97])
    assert line.get_ydata() == pytest.approx([40, 100])
    drawn = [tuple(segment[:, 1]) for segment in upright.get_segments()]
    wanted = [tuple(100 * end for end in wilson(k, n)) for k, n in ((8, 20), (50, 50))]
    assert [pytest.approx(ends) for ends in wanted] == drawn


def test_the_diagonal_and_the_numbers_of_answers_are_there() -> None:
    ax = reliability(bins())
    diagonal = next(line for line in ax.lines if line.get_linestyle() == "--")
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [50, 100]
    assert texts(ax) == ["11", "18", "26", "44", "201"]
    middles = [50 * (one.low + one.high) for one in bins()]
    assert [text.xy[0] for text in ax.texts] == pytest.approx(middles)  # type: ignore[attr-defined]
    assert ax.get_ylabel() == "right answers (%)"
    check_paper(ax)


def test_numbers_and_error_stand_clear_of_the_points() -> None:
    given = [Bin(0.5, 0.6, 9, 0.55, 0.0), Bin(0.9, 1.0, 500, 0.95, 1.0)]
    ax = reliability(given, ece=0.5)
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    *numbers, error = (text.get_window_extent() for text in ax.texts)
    lowest = ax.transData.transform((55, 0))[1]
    assert all(box.y1 < lowest for box in numbers)
    assert all(ax.bbox.x0 <= box.x0 and ax.bbox.y0 <= box.y0 for box in [*numbers, error])
    assert error.y1 <= ax.bbox.y1
    assert error.y0 > ax.bbox.y1 - 0.15 * ax.bbox.height


def test_empty_bins_are_left_out() -> None:
    ax = reliability([Bin(0.5, 0.6, 0, 0.0, 0.0), Bin(0.6, 0.7, 4, 0.65, 0.5)])
    assert list(ax.containers[0].lines[0].get_xdata()) == [65]
    assert texts(ax) == ["4"]


def test_the_error_is_written_where_it_is_known() -> None:
    assert "expected calibration error 4.1 %" in texts(reliability(bins(), ece=0.041))


def test_no_answers_leave_the_diagonal() -> None:
    ax = reliability([])
    assert texts(ax) == []
    assert list(ax.lines[0].get_xdata()) == [0, 100]
    check_paper(ax)


def test_given_axes_are_drawn_on() -> None:
    ax = given_axes()
    assert reliability(bins(), ax) is ax
    assert ax.containers
