from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superneurons.report.svg.scale import Scale, logarithmic, rounded_out

_shares = st.floats(0, 1, allow_subnormal=False)


@pytest.mark.parametrize("log", [False, True])
def test_ends_are_ends_and_what_is_beyond_is_put_there(log: bool) -> None:
    scale = Scale(10, 1000, 50, 250, log=log)
    assert [scale(value) for value in (10, 1000, 1, 5000)] == [50, 250, 50, 250]


def test_equal_differences_or_ratios_are_equally_far_apart() -> None:
    even, ratios = Scale(0, 10, 0, 100), Scale(1, 100, 0, 100, log=True)
    assert even(5) == 50
    assert ratios(10) == pytest.approx(50)


def test_upside_down_scales_go_up() -> None:
    assert Scale(0, 1, 300, 0)(0.25) == 225


def test_a_single_value_is_in_the_middle() -> None:
    assert Scale(4, 4, 0, 100)(4) == 50
    assert Scale(4, 4, 0, 100).ticks() == (4.0,)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_within_in_order_and_not_too_many(low: float, span: float, most: int) -> None:
    ticks = Scale(low, low + span, 0, 1).ticks(most)
    assert len(ticks) <= most + 1
    assert list(ticks) == sorted(ticks)
    slack = 1e-6 * max(1, abs(low), span)
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)


@given(st.floats(1e-3, 1e4), st.floats(1.3, 1e5), st.integers(3, 9))
def test_logarithmic_ticks_too(low: float, ratio: float, most: int) -> None:
    ticks = Scale(low, low * ratio, 0, 1, log=True).ticks(most)
    assert all(low * 0.999 <= tick <= low * ratio * 1.001 for tick in ticks)
    assert list(ticks) == sorted(set(ticks))


@pytest.mark.parametrize(("low", "high"), [(3.4, 5.3), (12.0, 19.0), (100.0, 108.0)])
def test_a_short_stretch_of_ratios_still_has_some(low: float, high: float) -> None:
    assert len(Scale(low, high, 0, 1, log=True).ticks(6)) >= 3


@given(st.lists(_shares, min_size=1, max_size=9))
def test_rounded_ends_hold_all_values_within_what_is_possible(values: list[float]) -> None:
    low, high = rounded_out(values)
    assert 0 <= low <= min(values) + 1e-9
    assert max(values) - 1e-9 <= high <= 1
    assert high > low


def test_a_logarithmic_scale_has_room_on_both_sides() -> None:
    scale = logarithmic([20, 200], 0, 100)
    assert 0 < scale(20) < scale(200) < 100
