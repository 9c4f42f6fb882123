from __future__ import annotations

import pytest

from superneurons.serve.pace import Pace


def seen(*batches: tuple[int, float]) -> Pace:
    pace = Pace()
    for size, seconds in batches:
        pace.saw(size, seconds)
    return pace


def test_nothing_is_known_before_anything_ran() -> None:
    assert Pace().line() == (0.0, 0.0)
    assert Pace().seconds(100, most=8) == 0


def test_a_line_is_found_again() -> None:
    pace = seen(*[(size, 0.02 + 0.003 * size) for size in (1, 2, 8, 3, 16)])
    assert pace.line() == pytest.approx((0.02, 0.003))
    assert pace.seconds(16, most=16) == pytest.approx(0.02 + 16 * 0.003)
    assert pace.seconds(17, most=16) == pytest.approx(2 * 0.02 + 17 * 0.003)


def test_batches_of_one_size_say_what_a_question_costs_in_them() -> None:
    assert seen((4, 0.2), (4, 0.2)).line() == pytest.approx((0, 0.05))
    assert seen((1, 0.2), (1, 0.2)).seconds(10, most=1) == pytest.approx(2)


def test_noise_never_makes_a_cost_negative() -> None:
    faster_when_larger = seen((1, 0.3), (8, 0.1))
    start, each = faster_when_larger.line()
    assert start > 0
    assert each == 0
    start, each = seen((1, 0.001), (8, 0.4)).line()
    assert start == 0
    assert each == pytest.approx(0.05, rel=0.05)


def test_what_was_long_ago_counts_less() -> None:
    pace = seen(*[(size, 0.1 * size) for size in (1, 2, 4)] * 5)
    before = pace.seconds(8, most=8)
    for size in (1, 2, 4) * 40:
        pace.saw(size, 0.01 * size)
    assert before == pytest.approx(0.8)
    assert pace.seconds(8, most=8) == pytest.approx(0.08, rel=0.05)
