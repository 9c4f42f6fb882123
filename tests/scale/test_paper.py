from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from superneurons.errors import DataError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.scale.paper import SharedPaper
from superneurons.scale.ranks import Rank


class Threads(Rank):
    """Ranks that are threads of one process: the sums are real, the way there is short."""

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


def made(seed: int, n: int = 90, p: int = 400) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.45, "yes", "no")
    X = rng.normal(size=(n, p)).astype(np.float16)
    X[:, :60] += np.where(y == "yes", 0.8, -0.8)[:, None].astype(np.float16)
    return X, y, np.arange(n) // 2


def on_threads(world: int, X: Any, y: Any, groups: Any, **parameters: Any) -> list[Any]:
    shared: dict[int, Any] = {}
    meeting, found = threading.Barrier(world), dict[int, Any]()
    owner = np.random.default_rng(5).integers(world, size=len(y))

    def work(number: int) -> None:
        rank = Threads(number, world)
        object.__setattr__(rank, "shared", shared)
        object.__setattr__(rank, "meeting", meeting)
        rows = np.flatnonzero(owner == number)
        rule = SharedPaper(**parameters)
        found[number] = rule.fit_shared(rank, X[rows], rows, y, groups)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[n] for n in range(world)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("world", [1, 2, 5])
@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_ranks_learn_what_one_process_learns(seed: int, world: int, metric: Any) -> None:
    X, y, groups = made(seed)
    alone = PaperSuperNeurons(metric=metric).fit(X, y, groups=groups)
    for fitted in on_threads(world, X, y, groups, metric=metric):
        mine, other = fitted.get_state(), alone.get_state()
        assert mine.values == other.values
        for name, array in other.arrays.items():
            assert np.array_equal(mine.arrays[name], array), name
        assert np.array_equal(fitted.predict_proba(X), alone.predict_proba(X))


def test_what_depends_on_the_ranks_is_refused() -> None:
    X, y, groups = made(0)
    rows = np.arange(len(y))
    with pytest.raises(DataError, match="majority"):
        SharedPaper(aggregation="mean").fit_shared(Rank(), X, rows, y, groups)
    with pytest.raises(DataError, match="1 classes"):
        SharedPaper().fit_shared(Rank(), X, rows, ["yes"] * len(y), groups)
    with pytest.raises(DataError, match="margin"):
        SharedPaper(max_margin=2).fit_shared(Rank(), X, rows, y, groups)
    X[4, 4] = np.inf
    with pytest.raises(DataError, match="finite"):
        SharedPaper().fit_shared(Rank(), X, rows, y, groups)
