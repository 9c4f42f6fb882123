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


def test_the_first_layer_within_one_point_of_the_best_is_told_and_no_earlier_one() -> None:
    for second, told in ((0.7901, "up to 2 already"), (0.789, "up to 4.")):
        curve = replace(_ONE, balanced_accuracy=(0.6, second, 0.8))
        assert told in curves_alt([curve], Levels()).finding
    earlier = replace(_ONE, balanced_accuracy=(0.6, 0.8, 0.8))
    assert "best 80.0\N{NO-BREAK SPACE}% with layers up to 2." in (
        curves_alt([earlier], Levels()).finding
    )


def test_a_curve_goes_through_its_points_and_its_whiskers_stand_on_them() -> None:
    found = drawn(draw_curves([_ONE], Levels(0.51, 0.5), 640, "curves"))
    (path,) = found.of_class("curve", "ours")
    dots, whiskers = found.of_class("dot"), found.of_class("whisker")
    ends = [(number(dot, "cx"), number(dot, "cy")) for dot in dots]
    assert path.get("d") == "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in ends)
    assert [number(w, "x1") for w in whiskers] == [x for x, _ in ends]
    for whisker, (_, y) in zip(whiskers, ends, strict=True):
        assert number(whisker, "y2") < y < number(whisker, "y1")


def test_levels_are_drawn_where_their_values_are() -> None:
    found = drawn(draw_curves([_ONE], Levels(base=0.6, chance=0.5), 640, "curves"))
    (base,), (chance,) = found.of_class("level", "base"), found.of_class("level", "chance")
    dots = found.of_class("dot")
    assert number(base, "y1") == number(base, "y2") == pytest.approx(number(dots[0], "cy"))
    assert number(chance, "y1") > number(base, "y1")


def test_names_stand_at_the_ends_of_their_curves_in_their_looks() -> None:
    shown = curves(3)
    found = drawn(draw_curves(shown, Levels(), 640, "curves"))
    for curve, look in zip(shown, ("ours", "second", "third"), strict=True):
        (name,) = [e for e in found.of_class("note", look) if e.text == curve.read_out]
        own = found.of_class("dot", look)
        assert len(own) == len(curve.layers)
        assert number(name, "x") > max(number(e, "cx") for e in own)
    assert found.of_class("dot")[-1] in found.of_class("dot", "ours"), "ours is drawn above"


def test_curves_beside_each_other_are_moved_apart_by_five_pixels() -> None:
    shown = curves(3)
    found = drawn(draw_curves(shown, Levels(), 640, "curves"))
    first = [number(found.of_class("dot", look)[0], "cx") for look in ("ours", "second", "third")]
    assert [b - a for a, b in pairwise(first)] == pytest.approx([5, 5], abs=0.11)
    alone = drawn(draw_curves(shown[:1], Levels(), 640, "curves"))
    assert number(alone.of_class("dot")[0], "cx") == pytest.approx(first[1], abs=0.11)


def test_a_band_holds_the_intervals_of_its_own_curve() -> None:
    shown = curves(4)
    found = drawn(draw_curves(shown, Levels(), 640, "curves"))
    bands, lines = found.of_class("band"), found.of_class("curve", "ours")

    def corners(path: str | None) -> list[tuple[float, float]]:
        pairs = (path or "").strip("MZ").split("L")
        return [(float(x), float(y)) for x, y in (pair.split(",") for pair in pairs)]

    for band, path, curve in zip(bands, lines, shown, strict=True):
        round_, along = corners(band.get("d")), corners(path.get("d"))
        n = len(curve.layers)
        highs, lows = round_[:n], round_[n:][::-1]
        assert (band.get("d") or "").endswith("Z")
        for (x, y), (x1, high), (x2, low) in zip(along, highs, lows, strict=True):
            assert x == x1 == x2
            assert high < y < low


@pytest.mark.parametrize(("n", "columns"), [(4, 2), (5, 3)])
def test_four_panels_stand_two_by_two_and_five_three_by_three(n: int, columns: int) -> None:
    found = drawn(draw_curves(curves(n), Levels(), 640, "curves"))
    starts = {(band.get("d") or "").strip("M").split(",")[0] for band in found.of_class("band")}
    assert len(starts) == columns


@pytest.mark.parametrize(("last", "logarithmic"), [(7, False), (8, True)])
def test_sparse_layers_are_spaced_by_ratios_from_eight_on(last: int, logarithmic: bool) -> None:
    curve = Curve("a", (1, 2, last), (0.6, 0.7, 0.8), (), 90, held_out=True)
    texts = drawn(draw_curves([curve], Levels(), 640, "curves")).texts
    assert ("exit layer (logarithmic)" in texts) == logarithmic


def test_layer_0_is_never_on_a_scale_of_ratios() -> None:
    curve = Curve("vision", (0, 4, 30), (0.6, 0.7, 0.8), (), 90, held_out=True)
    assert "exit layer" in drawn(draw_curves([curve], Levels(), 640, "curves")).texts
