from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from report.axes.drawn import check_paper, given_axes, texts
from report.runs import searched_run, tradeoffs
from superneurons.report.axes import tradeoff_front
from superneurons.report.run import Tradeoff


def _bars(ax: Axes) -> dict[str, ErrorbarContainer]:
    return {str(bar.get_label()): bar for bar in ax.containers}


def _point(name: str, accuracy: float, ms: float, chosen: bool = False) -> Tradeoff:
    return Tradeoff(
        name, accuracy, (accuracy - 0.1, accuracy + 0.05), ms, (ms - 1, ms + 3), 1, chosen
    )


def test_points_lie_at_their_time_and_accuracy_with_both_ranges() -> None:
    ax = tradeoff_front([_point("a", 0.8, 20), _point("b", 0.7, 40)])
    line, _, (across, upright) = _bars(ax)["a"].lines
    assert (line.get_xdata()[0], line.get_ydata()[0]) == pytest.approx((20, 80))
    assert across.get_segments()[0][:, 0] == pytest.approx([19, 23])
    assert upright.get_segments()[0][:, 1] == pytest.approx([70, 85])
    assert ax.get_xscale() == "log"


def test_the_front_is_what_nothing_beats_at_both() -> None:
    points = [
        _point("fast", 0.6, 10), _point("beaten", 0.55, 20), _point("best", 0.9, 40),
        _point("slow", 0.9, 50),
    ]  # fmt: skip
    ax = tradeoff_front(points)
    front = next(line for line in ax.lines if line.get_drawstyle() == "steps-post")
    assert list(front.get_xdata()) == [10, 40]
    assert front.get_ydata() == pytest.approx([60, 90])
    assert texts(ax) == ["1", "2"]
    assert ax.get_xlabel().splitlines()[1:] == ["1 fast", "2 best"]


def test_of_equally_fast_ones_the_better_is_the_front() -> None:
    ax = tradeoff_front([_point("low", 0.6, 10), _point("high", 0.8, 10), _point("later", 0.7, 20)])
    front = next(line for line in ax.lines if line.get_drawstyle() == "steps-post")
    assert (list(front.get_xdata()), list(front.get_ydata())) == ([10], [80])
    assert ax.get_ylabel() == "balanced accuracy (%)"


def test_colours_say_what_a_point_is() -> None:
    points = [
        _point("fast", 0.6, 10), _point("beaten", 0.55, 20), _point("best", 0.9, 40, chosen=True),
        _point("other", 0.95, 50),
    ]  # fmt: skip
    bars = _bars(tradeoff_front(points))
    colour = {name: bar.lines[0].get_color() for name, bar in bars.items()}
    assert colour["fast"] == colour["other"]
    assert len({colour[name] for name in ("fast", "beaten", "best")}) == 3
    ranges = {name: bar.lines[2][0].get_colors()[0].tolist() for name, bar in bars.items()}
    assert ranges["beaten"] not in (ranges["fast"], ranges["best"])
    size = {name: bar.lines[0].get_markersize() for name, bar in bars.items()}
    assert size["best"] > size["fast"] == size["beaten"]
    order = {name: bar.lines[0].get_zorder() for name, bar in bars.items()}
    assert order["fast"] == order["best"] > order["beaten"]


@pytest.mark.parametrize(("n", "named"), [(6, 6), (7, 1)])
def test_up_to_six_are_numbered_where_they_are(n: int, named: int) -> None:
    points = [_point(f"p{i}", 0.3 + 0.1 * i, 10 + i, chosen=i == 2) for i in range(n)]
    ax = tradeoff_front(points)
    assert texts(ax) == [str(number) for number in range(1, named + 1)]
    shown = points if named == n else [points[2]]
    wanted = [pytest.approx((one.ms, 100 * one.balanced_accuracy)) for one in shown]
    assert [text.xy for text in ax.texts] == wanted  # type: ignore[attr-defined]
    names = [f"{k} {one.name}{', chosen' * one.chosen}" for k, one in enumerate(shown, start=1)]
    assert ax.get_xlabel().splitlines()[1:] == names


def test_times_are_written_plainly_and_all_points_are_inside() -> None:
    ax = tradeoff_front([_point("a", 0.7, 8), _point("b", 0.8, 30), _point("c", 0.9, 160)])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["10", "20", "50", "100", "200"]
    assert list(ax.get_xticks()) == [10, 20, 50, 100, 200]
    assert list(ax.get_xticks(minor=True)) == []
    assert ax.get_xlim() == pytest.approx((8 / 1.4, 160 * 1.4))
    near = tradeoff_front([_point("a", 0.7, 60), _point("b", 0.8, 70)])
    assert near.get_xlim() == pytest.approx((60 / 1.4, 70 * 1.4))


def test_a_time_outside_its_own_quartiles_has_no_bar_there() -> None:
    odd = replace(_point("odd", 0.8, 20), ms_range=(21.0, 25.0), interval=(0.85, 0.9))
    low = replace(_point("low", 0.8, 20), ms_range=(15.0, 19.0), interval=(0.6, 0.7))
    for one, wide, high in ((odd, (20, 25), (80, 90)), (low, (15, 20), (60, 80))):
        _, _, (across, upright) = _bars(tradeoff_front([one]))[one.name].lines
        assert across.get_segments()[0][:, 0] == pytest.approx(wide)
        assert upright.get_segments()[0][:, 1] == pytest.approx(high)


def test_the_chosen_one_is_a_star_and_named_off_the_front_too() -> None:
    ax = tradeoff_front([_point("best", 0.9, 10), _point("ours", 0.8, 20, chosen=True)])
    assert _bars(ax)["ours"].lines[0].get_marker() == "*"
    assert ax.get_xlabel().splitlines()[1:] == ["1 best", "2 ours, chosen"]


def test_cross_validated_points_are_hollow() -> None:
    ax = tradeoff_front([_point("a", 0.8, 20), replace(_point("b", 0.7, 30), held_out=False)])
    faces = {name: bar.lines[0].get_markerfacecolor() for name, bar in _bars(ax).items()}
    assert faces["b"] == "white"
    assert faces["a"] != "white"


def test_of_many_points_only_the_chosen_is_named() -> None:
    run = searched_run()
    ax = tradeoff_front(run.tradeoffs)
    assert len(ax.containers) == len(run.tradeoffs)
    assert texts(ax) == ["1"]
    assert ax.get_xlabel().endswith(", chosen")
    check_paper(ax)


def test_a_comparison_fits_one_column() -> None:
    check_paper(tradeoff_front(tradeoffs()))


def test_one_point_or_none_is_drawn() -> None:
    check_paper(tradeoff_front([_point("a", 0.8, 20)]))
    assert not tradeoff_front([]).containers


def test_given_axes_are_drawn_on() -> None:
    ax = given_axes()
    assert tradeoff_front(tradeoffs(), ax) is ax
    assert ax.containers
