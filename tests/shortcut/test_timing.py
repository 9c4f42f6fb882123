from __future__ import annotations

import time

import pytest

from superneurons.shortcut import timing
from superneurons.shortcut.timing import time_together


def test_calls_take_turns_after_a_warm_up() -> None:
    order: list[tuple[str, int]] = []
    time_together(
        {"a": lambda i: order.append(("a", i)), "b": lambda i: order.append(("b", i))}, repeats=2
    )
    assert order == [("a", 0), ("b", 0), ("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_the_median_is_between_the_quartiles_and_in_milliseconds() -> None:
    found = time_together({"nap": lambda _: time.sleep(0.01)}, repeats=5)["nap"]
    assert found.low <= found.median <= found.high
    assert 9 < found.median < 1000
    assert found.repeats == 5


@pytest.mark.parametrize("repeats", [1, 2])
def test_few_rounds_are_enough(repeats: int) -> None:
    told: list[int] = []
    found = time_together(
        {"a": lambda _: None}, repeats=repeats, progress=lambda done, _all: told.append(done)
    )
    assert found["a"].repeats == repeats
    assert told == list(range(1, repeats + 1))


def test_on_a_gpu_every_round_s_inputs_are_met_before_the_clock_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timed: list[int] = []
    met: list[int] = []
    monkeypatch.setattr(timing, "_event_ms", lambda call, i: timed.append(i) or float(call(i)))
    time_together({"a": lambda i: met.append(i) or 1.0}, repeats=3, device="cuda")
    assert timed == [0, 1, 2]
    assert met == [0, 1, 2, 0, 1, 2]
