"""Ranks that are threads of one process: the sums are real, the way there is short."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from superneurons.scale.ranks import Rank


class Threads(Rank):
    __slots__ = ("meeting", "shared")

    def _all(self, value: Any) -> list[Any]:
        self.shared[self.rank] = value
        self.meeting.wait(60)
        found = [self.shared[rank] for rank in range(self.world)]
        self.meeting.wait(60)
        return found

    def summed(self, counts: Any) -> Any:
        return sum(self._all(counts))

    def gathered(self, values: Any) -> list[Any]:
        return self._all(values)

    def wait(self) -> None:
        self._all(None)


def on_threads(world: int, work: Callable[[Rank], Any]) -> list[Any]:
    """Have each of some ranks do something; returns what each found."""
    shared: dict[int, Any] = {}
    meeting, found = threading.Barrier(world), dict[int, Any]()

    def run(number: int) -> None:
        rank = Threads(number, world)
        object.__setattr__(rank, "shared", shared)
        object.__setattr__(rank, "meeting", meeting)
        found[number] = work(rank)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[n] for n in range(world)]
