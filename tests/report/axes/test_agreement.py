from __future__ import annotations

import pytest

from report.axes.drawn import check_paper, given_axes, texts
from superneurons.evaluate.intervals import wilson
from superneurons.report.axes import agreement
from superneurons.report.run import Agreement


def test_bars_are_shares_of_all_records() -> None:
    ax = agreement(Agreement(150, 100, 30, 20))
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([50, 100 / 3, 10, 20 / 3])
    assert texts(ax) == ["150", "100", "30", "20"]
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["both right", "only the classifier", "only the base model", "both wrong"]
    assert "n = 300" in ax.get_xlabel()
    assert ax.yaxis_inverted()
    assert len({bar.get_facecolor() for bar in ax.patches}) == 4
    check_paper(ax)


def test_bars_end_in_their_intervals() -> None:
    ax = agreement(Agreement(5, 0, 0, 0))
    ends = [bar.get_segments()[0][:, 0] for bar in ax.collections]
    assert ends[0] == pytest.approx([100 * end for end in wilson(5, 5)])
    assert ends[1] == pytest.approx([100 * end for end in wilson(0, 5)])


def test_numbers_stand_behind_their_intervals() -> None:
    counts = (150, 100, 30, 20)
    ax = agreement(Agreement(*counts))
    wanted = [(100 * wilson(count, 300)[1], place) for place, count in enumerate(counts)]
    assert [text.xy for text in ax.texts] == [pytest.approx(place) for place in wanted]  # type: ignore[attr-defined]
    left, right = ax.get_xlim()
    assert left == 0
    assert right > wanted[0][0] * 1.1, "there is room for them"


def test_no_records_are_no_error() -> None:
    ax = agreement(Agreement(0, 0, 0, 0))
    assert [bar.get_width() for bar in ax.patches] == [0] * 4
    assert [bar.get_segments()[0][:, 0].tolist() for bar in ax.collections] == [[0, 0]] * 4
    check_paper(ax)


def test_given_axes_are_drawn_on() -> None:
    ax = given_axes()
    assert agreement(Agreement(1, 2, 3, 4), ax) is ax
    assert len(ax.patches) == 4
