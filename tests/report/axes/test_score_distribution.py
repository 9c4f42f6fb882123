from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from report.axes.drawn import check_paper, given_axes
from report.runs import selection
from superneurons.report.axes import score_distribution


def test_bars_count_every_neuron() -> None:
    found = selection(layers=5, width=40, chosen=3)
    ax = score_distribution(replace(found, chosen=(), null_maxima=()))
    assert sum(bar.get_height() for bar in ax.patches) == 200
    middle = np.average(
        [bar.get_x() + bar.get_width() / 2 for bar in ax.patches],
        weights=[bar.get_height() for bar in ax.patches],
    )
    assert middle == pytest.approx(100 * found.scores.mean(), abs=0.5)
    assert ax.get_yscale() == "log"
    assert ax.get_ylim()[0] < 1, "a bar of one can be seen"
    assert ax.get_ylabel() == "number"
    check_paper(ax)


def test_chance_is_where_1_of_20_shuffles_is_above() -> None:
    found = replace(selection(), null_maxima=tuple(np.linspace(0.55, 0.65, 101)))
    ax = score_distribution(found)
    (line,) = ax.lines
    assert list(line.get_xdata()) == pytest.approx([64.5, 64.5])
    assert "chance maximum: 64.5 %" in line.get_label()


def test_all_are_counted_in_the_same_bins() -> None:
    found = selection(layers=5, width=40, chosen=3)
    ax = score_distribution(found)
    *bars, chosen, null = ax.patches
    edges = {round(bar.get_x(), 6) for bar in bars}
    edges.add(round(bars[-1].get_x() + bars[-1].get_width(), 6))
    for one, scores in ((chosen, [c.score for c in found.chosen]), (null, found.null_maxima)):
        places = one.get_xy()
        assert {round(x, 6) for x in places[:, 0]} <= edges
        low, high = (places[places[:, 1] >= 1][:, 0].take(i) for i in (0, -1))
        assert min(low, high) <= 100 * min(scores) <= 100 * max(scores) <= max(low, high)
    colours = {one.get_facecolor()[:3] for one in (bars[0], null)} | {chosen.get_edgecolor()[:3]}
    assert len(colours) == 3


def test_the_legend_names_what_is_there() -> None:
    names = [text.get_text() for text in score_distribution(selection()).get_legend().get_texts()]
    check_paper(score_distribution(selection()))
    assert names[:3] == ["all 17,280 neurons", "64 chosen", "best of all, 100 shuffles"]
    bare = score_distribution(replace(selection(), null_maxima=(), chosen=()))
    assert [text.get_text() for text in bare.get_legend().get_texts()] == ["all 17,280 neurons"]
    assert not bare.lines


def test_given_axes_are_drawn_on() -> None:
    ax = given_axes()
    size = ax.xaxis.label.get_fontsize()
    assert score_distribution(selection(), ax) is ax
    assert ax.xaxis.label.get_fontsize() == size
    assert ax.patches


@pytest.mark.parametrize("n", [37, 80, 500])
def test_each_bar_holds_as_many_possible_scores(n: int) -> None:
    every = np.arange(n // 2, n + 1) / n
    found = replace(
        selection(), scores=every[None].astype(np.float32), n=n, chosen=(), null_maxima=()
    )
    bars = score_distribution(found).patches
    heights = [bar.get_height() for bar in bars]
    edges = np.array([bar.get_x() for bar in bars])
    assert edges * n / 100 % 1 == pytest.approx(0.5), "no score lies on an edge"
    assert sum(heights) == len(every)
    assert len(heights) <= 41
    assert len(set(heights[:-1])) == 1
