from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from report.drawn import drawn, number
from report.runs import curves
from superneurons.report.run import Curve
from superneurons.report.svg.curves import MOST_TOGETHER, Levels, curves_alt, draw_curves

_ONE = Curve("paper", (1, 2, 4), (0.6, 0.795, 0.8), ((0.55, 0.65), (0.74, 0.83), (0.75, 0.85)), 90,
             held_out=True)  # fmt: skip


def test_it_says_the_best_and_the_first_layer_that_nearly_reaches_it() -> None:
    told = drawn(draw_curves([_ONE], Levels(0.51), 640, "curves")).finding
    assert "paper: best 80.0 % with layers up to 4, 79.5 % up to 2 already" in told
    assert "the base model has 51.0 %" in told


def test_it_says_no_more_where_the_best_is_the_first() -> None:
    told = curves_alt([replace(_ONE, balanced_accuracy=(0.9, 0.8, 0.7))], Levels()).finding
    assert "with layers up to 1." in told


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_curves_are_in_one_panel_with_their_intervals(n: int) -> None:
    shown = curves(n)
    found = drawn(draw_curves(shown, Levels(0.51, 0.5), 640, "curves"))
    assert len(found.of_class("curve")) == n
    assert len(found.of_class("whisker")) == sum(len(curve.intervals) for curve in shown)
    assert len(found.of_class("dot")) == sum(len(curve.layers) for curve in shown)
    for curve in shown:
        assert any(name in found.texts for name in (curve.read_out,))


def test_intervals_reach_from_end_to_end() -> None:
    found = drawn(draw_curves([_ONE], Levels(), 640, "curves"))
    dots, whiskers = found.of_class("dot"), found.of_class("whisker")
    per_share = (number(dots[0], "cy") - number(dots[2], "cy")) / (0.8 - 0.6)
    for whisker, (low, high) in zip(whiskers, _ONE.intervals, strict=True):
        tall = number(whisker, "y1") - number(whisker, "y2")
        assert tall == pytest.approx((high - low) * per_share, abs=0.1)


def test_curves_without_intervals_have_none_drawn() -> None:
    found = drawn(draw_curves([replace(_ONE, intervals=())], Levels(), 640, "curves"))
    assert not found.of_class("whisker")
    assert "paper, layers up to 4: 80.0 %" in found.hints


def test_a_point_says_its_value_and_interval() -> None:
    found = drawn(draw_curves([_ONE], Levels(), 640, "curves"))
    assert "paper, layers up to 2: 79.5 % (74.0 to 83.0)" in found.hints


@pytest.mark.parametrize(("n", "width"), [(2, 350.0), (4, 350.0), (4, 640.0), (5, 640.0)])
def test_of_more_curves_each_has_its_panel_above_the_others(n: int, width: float) -> None:
    assert n > MOST_TOGETHER or width < 500
    found = drawn(draw_curves(curves(n), Levels(0.51, 0.5), width, "curves"))
    assert len(found.of_class("band")) == n
    names = " ".join(element.text or "" for element in found.of_class("panel"))
    assert names == " ".join(curve.read_out for curve in curves(n))
    assert len(found.of_class("curve", "behind")) == n * (n - 1)
    assert len(found.of_class("curve", "ours")) == n


def test_all_panels_have_the_same_scale() -> None:
    found = drawn(draw_curves(curves(5), Levels(), 640, "curves"))
    ticks = [t for t in found.texts if t.isdigit() and int(t) >= 50]
    assert len(ticks) % 5 == 0
    assert ticks == ticks[: len(ticks) // 5] * 5


def test_many_layers_are_spaced_by_their_ratios() -> None:
    found = drawn(draw_curves(curves(1), Levels(), 640, "curves"))
    x = [number(dot, "cx") for dot in found.of_class("dot")]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.1)
    assert "exit layer (logarithmic)" in found.texts


def test_one_layer_can_be_drawn() -> None:
    one = Curve("projector", (1,), (0.7,), ((0.6, 0.8),), 50, held_out=True)
    assert len(drawn(draw_curves([one], Levels(), 350, "curves")).of_class("dot")) == 1


def test_a_single_curve_is_named_above_a_narrow_panel() -> None:
    found = drawn(draw_curves([_ONE], Levels(), 350, "curves"))
    (name,) = (e for e in found.root.iter("text") if e.text == "paper")
    ticks = [number(e, "y") for e in found.of_class("tick")]
    assert number(name, "y") < min(ticks)


def test_levels_are_named_beside_the_curves_and_names_do_not_touch() -> None:
    for levels in (Levels(0.7, 0.5), Levels(0.51, 0.5), Levels(0.8, 0.79)):
        found = drawn(draw_curves(curves(3), levels, 640, "curves"))
        names = [e for e in found.of_class("note") if number(e, "x") > 450]
        assert {"base model", "guessing"} <= {e.text for e in names}
        feet = sorted(number(e, "y") for e in names)
        assert all(b - a >= 15.9 for a, b in pairwise(feet))


def test_unknown_levels_are_not_drawn() -> None:
    found = drawn(draw_curves([_ONE], Levels(), 640, "curves"))
    assert not found.of_class("level")
    assert "guessing" not in found.texts


def test_a_measurement_of_every_layer_is_spaced_evenly() -> None:
    layers = tuple(range(1, 31))
    every = Curve("paper", layers, (0.8,) * 30, (), 90, held_out=False)
    found = drawn(draw_curves([every], Levels(), 640, "curves"))
    assert "exit layer" in found.texts
    x = [number(dot, "cx") for dot in found.of_class("dot")]
    assert x[1] - x[0] == pytest.approx(x[-1] - x[-2], abs=0.1)


def test_names_that_do_not_fit_are_cut_and_said_in_full_under_the_pointer() -> None:
    long = replace(_ONE, read_out="Super Neurons, improved, of all layers and all heads")
    found = drawn(draw_curves([long], Levels(), 640, "curves"))
    assert any(text.endswith("…") for text in found.texts)
    assert long.read_out in found.hints
