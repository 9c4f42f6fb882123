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


def test_the_quartiles_are_those_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = [5.0, 1.0, 3.0, 2.0, 4.0, 9.0, 7.0]
    monkeypatch.setattr(timing, "_wall_ms", lambda call, i: spent[i])
    found = time_together({"a": lambda _: None}, repeats=7)["a"]
    assert (found.low, found.median, found.high, found.repeats) == (2.0, 4.0, 7.0, 7)
    once = time_together({"a": lambda _: None}, repeats=1)["a"]
    assert (once.low, once.median, once.high) == (5.0, 5.0, 5.0)


def test_each_call_is_timed_by_itself_and_progress_is_told_after_each_round() -> None:
    told: list[tuple[int, int]] = []
    found = time_together(
        {"nap": lambda _: time.sleep(0.004), "none": lambda _: None},
        repeats=3,
        progress=lambda done, total: told.append((done, total)),
    )
    assert found["none"].median < 4 <= found["nap"].median
    assert told == [(1, 3), (2, 3), (3, 3)]


class Event:
    """A device event: time is how many calls were made."""

    made = 0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at = Event.made

    def elapsed_time(self, other: Event) -> float:
        return float(other.at - self.at)


def test_events_are_read_when_the_device_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr("torch.cuda.Event", Event)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: done.append("waited"))

    def call(number: int) -> None:
        Event.made += number
        done.append(f"call {number}")

    assert timing._event_ms(call, 12) == 12.0
    assert done == ["call 12", "waited"]
