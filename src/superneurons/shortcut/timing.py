"""Time several ways of answering against each other, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch

__all__ = ["Timing", "time_together"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one call.

    Parameters
    ----------
    median
        The figure to quote.
    low, high
        Quartiles: how noisy the machine was.
    repeats
        Calls that were counted.
    """

    median: float
    low: float
    high: float
    repeats: int


def time_together(
    calls: Mapping[str, Callable[[int], object]],
    *,
    repeats: int = 10,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Timing]:
    """Time calls in turn, A B C A B C …, so that they share what the machine does meanwhile.

    Every call is warmed up and told the number of the round, so that rounds can take different
    inputs. On a GPU, times are between device events, and the warm-up takes the inputs of every
    round: each shape is recorded as a graph when it is first met.

    Parameters
    ----------
    calls
        By name.
    repeats
        Rounds that are counted.
    device
        Where the work happens.
    progress
        Told (rounds done, rounds in all).
    """
    on_gpu = torch.device(device).type == "cuda"
    clock = _event_ms if on_gpu else _wall_ms
    for call in calls.values():
        for number in range(max(1, repeats) if on_gpu else 1):
            call(number)
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats):
        for name, call in calls.items():
            spent[name].append(clock(call, number))
        if progress is not None:
            progress(number + 1, repeats)
    return {name: _timing(values) for name, values in spent.items()}


def _timing(values: list[float]) -> Timing:
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return Timing(statistics.median(values), low, high, len(values))


def _wall_ms(call: Callable[[int], object], number: int) -> float:
    begun = time.perf_counter()
    call(number)
    return (time.perf_counter() - begun) * 1e3


def _event_ms(call: Callable[[int], object], number: int) -> float:
    event = cast(Any, torch.cuda.Event)
    before, after = event(enable_timing=True), event(enable_timing=True)
    before.record()
    call(number)
    after.record()
    torch.cuda.synchronize()
    return float(before.elapsed_time(after))
