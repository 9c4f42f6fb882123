from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.drawn import drawn, number
from report.runs import OURS, searched_run, tradeoffs
from superneurons.report.run import Tradeoff
from superneurons.report.svg.front import CROWDED, draw_front, front_alt, front_of, front_told

_points = st.lists(
    st.builds(
        lambda value, ms: Tradeoff("x", value, (value, value), ms, (ms, ms), 1),
        st.sampled_from([0.5, 0.6, 0.7, 0.8]), st.sampled_from([1.0, 2.0, 5.0, 9.0]),
    ),
    min_size=1, max_size=9,
)  # fmt: skip


def _beats(one: Tradeoff, other: Tradeoff) -> bool:
    as_good = one.balanced_accuracy >= other.balanced_accuracy and one.ms <= other.ms
    better = one.balanced_accuracy > other.balanced_accuracy or one.ms < other.ms
    return as_good and better


@given(_points)
def test_nothing_beats_the_front_and_it_beats_or_equals_all_else(points: list[Tradeoff]) -> None:
    front = front_of(points)
    for point in points:
        beaten = any(_beats(other, point) for other in points)
        value = (point.balanced_accuracy, point.ms)
        same = any((other.balanced_accuracy, other.ms) == value for other in front)
        assert same != beaten


@given(_points)
def test_any_points_can_be_drawn(points: list[Tradeoff]) -> None:
    drawn(draw_front(points, 350, "front"))


@pytest.mark.parametrize("width", [350.0, 640.0])
def test_each_point_has_its_interval_and_its_quartiles(width: float) -> None:
    found = drawn(draw_front(tradeoffs(), width, "front"))
    assert len(found.of_class("dot")) == len(tradeoffs())
    assert len(found.of_class("whisker")) == 2 * len(tradeoffs())


def test_better_is_higher_and_slower_is_further_right() -> None:
    found = drawn(draw_front(tradeoffs(), 640, "front"))
    places = {}
    for dot in found.of_class("dot"):
        name = "".join(dot.itertext()).split(",")[0]
        places[name] = (number(dot, "cx"), number(dot, "cy"))
    fast, slow = places["vision-only logistic probe"], places["base model"]
    assert fast[0] < slow[0]
    assert fast[1] < slow[1]


@pytest.mark.parametrize("width", [350.0, 640.0])
def test_the_chosen_point_stands_out_and_is_named(width: float) -> None:
    found = drawn(draw_front(tradeoffs(), width, "front"))
    (chosen,) = found.of_class("dot", "chosen")
    others = [number(e, "r") for e in found.of_class("dot") if e is not chosen]
    assert number(chosen, "r") > max(others)
    assert OURS in [e.text for e in found.of_class("note", "chosen")]
    assert found.of_class("dot")[-1] is chosen, "drawn above the others"


def test_it_says_what_is_on_the_front_and_what_is_recommended() -> None:
    told = drawn(draw_front(tradeoffs(), 640, "front")).finding
    assert "Of 12 ways to answer, 2 are beaten by no other" in told
    assert "vision-only logistic probe with 95.0 % in 19.0 ms" in told
    assert f"Recommended: {OURS}, 94.3 % (91.8 to 96.8), 41.0 ms." in told


def test_points_that_are_all_on_the_front_are_said_to_be() -> None:
    points = front_of(tradeoffs())
    assert front_told(points) == (
        "None of 2 ways to answer beats another at both accuracy and time"
    )
    one = [*points, replace(points[0], ms=500.0), replace(points[0], ms=600.0)]
    assert "Of 4 ways to answer, 2 are beaten by no other" in front_told(one)


def test_without_a_choice_it_recommends_nothing() -> None:
    points = [replace(point, chosen=False) for point in tradeoffs()]
    assert "Recommended" not in front_alt(points).finding


def test_of_many_points_the_front_is_named_by_its_exit_layers() -> None:
    points = searched_run().tradeoffs
    assert len(points) > CROWDED
    found = drawn(draw_front(points, 640, "front"))
    names = [e.text or "" for e in found.of_class("note")]
    chosen = next(point for point in points if point.chosen)
    assert chosen.name in names
    layers = {f"layer {point.exit_layer}" for point in front_of(points)}
    assert set(names) - {chosen.name} <= layers
    assert len(names) > 3


def test_a_point_says_where_it_exits() -> None:
    hints = drawn(draw_front(tradeoffs(), 640, "front")).hints
    assert any(hint.startswith(OURS) and hint.endswith("exit layer 4") for hint in hints)


def test_a_point_is_where_its_values_are_between_its_ends() -> None:
    points = [
        Tradeoff("slow", 0.8, (0.7, 0.9), 100.0, (50.0, 200.0), 4, chosen=True),
        Tradeoff("fast", 0.6, (0.55, 0.7), 10.0, (9.0, 12.0), None),
    ]
    found = drawn(draw_front(points, 640, "front"))
    (dot,) = found.of_class("dot", "chosen")
    upright, flat = found.of_class("whisker", "chosen")
    x, y = number(dot, "cx"), number(dot, "cy")
    assert number(upright, "x1") == number(upright, "x2") == x
    assert number(upright, "y2") < y < number(upright, "y1")
    assert number(flat, "y1") == number(flat, "y2") == y
    assert x - number(flat, "x1") == pytest.approx(number(flat, "x2") - x, abs=0.15), "ratios"
    assert any(hint.endswith(", exit layer 4") for hint in found.hints)
    assert "fast, 60.0 % (55.0 to 70.0), 10.0 ms" in found.hints


def test_stairs_go_up_at_the_points_of_the_front_only() -> None:
    points = [
        Tradeoff(name, value, (value, value), ms, (ms, ms), 1)
        for name, value, ms in (("a", 0.6, 10.0), ("beaten", 0.55, 20.0), ("b", 0.8, 100.0))
    ]
    found = drawn(draw_front(points, 640, "front"))
    (stairs,) = found.of_class("stairs")
    corners = [tuple(map(float, c.split(","))) for c in (stairs.get("d") or "")[1:].split("L")]
    at = {
        "".join(dot.itertext()).split(",")[0]: (number(dot, "cx"), number(dot, "cy"))
        for dot in found.of_class("dot")
    }
    (ax, ay), (bx, by) = at["a"], at["b"]
    inner = [(ax, ay), (bx, ay), (bx, by)]
    assert [pytest.approx(corner, abs=0.11) for corner in inner] == corners[1:-1]
    assert corners[0][0] == pytest.approx(ax, abs=0.11)
    assert corners[-1][1] == pytest.approx(by, abs=0.11)
    assert len(found.of_class("dot", "off")) == 1
    assert len(found.of_class("dot", "on")) == 2


def test_equally_good_and_equally_fast_is_one_on_the_front() -> None:
    point = Tradeoff("x", 0.7, (0.6, 0.8), 5.0, (5.0, 5.0), 1)
    better = replace(point, name="y", balanced_accuracy=0.71)
    assert [p.name for p in front_of([point, replace(point, name="same")])] == ["x"]
    assert [p.name for p in front_of([point, better])] == ["y"]
