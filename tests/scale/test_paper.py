from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scale.threads import on_threads
from superneurons.errors import DataError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.scale.paper import SharedPaper
from superneurons.scale.ranks import Rank


def made(seed: int, n: int = 90, p: int = 400) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.45, "yes", "no")
    X = rng.normal(size=(n, p)).astype(np.float16)
    X[:, :60] += np.where(y == "yes", 0.8, -0.8)[:, None].astype(np.float16)
    return X, y, np.arange(n) // 2


def parts_of(X: Any, rows: Any) -> list[Any]:
    """A few rows at a time, as from shards."""
    return [(X[rows[n : n + 7]], rows[n : n + 7]) for n in range(0, len(rows), 7)]


def shared(world: int, X: Any, y: Any, groups: Any, **parameters: Any) -> list[Any]:
    owner = np.random.default_rng(5).integers(world, size=len(y))

    def work(rank: Rank) -> Any:
        rule, rows = SharedPaper(**parameters), np.flatnonzero(owner == rank.rank)
        return rule.fit_shared(rank, parts_of(X, rows), X.shape[1], y, groups)

    return on_threads(world, work)


def same(one: Any, other: Any, X: Any) -> None:
    mine, theirs = one.get_state(), other.get_state()
    assert mine.values == theirs.values
    for name, array in theirs.arrays.items():
        assert np.array_equal(mine.arrays[name], array), name
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("world", [1, 2, 5])
@pytest.mark.parametrize("metric", ["accuracy", "f1"])
@pytest.mark.parametrize("aggregation", ["majority", "mean"])
def test_ranks_learn_what_one_process_learns(
    seed: int, world: int, metric: Any, aggregation: Any
) -> None:
    X, y, groups = made(seed)
    options = {"metric": metric, "aggregation": aggregation}
    alone = PaperSuperNeurons(**options).fit(X, y, groups=groups)
    for fitted in shared(world, X, y, groups, **options):
        same(fitted, alone, X)


@pytest.mark.parametrize("aggregation", ["majority", "mean"])
def test_all_parameters_count(aggregation: Any) -> None:
    X, y, groups = made(1, p=9000)  # more columns than rows are told apart by
    options = {
        "aggregation": aggregation, "max_margin": 0.2, "margin_step": 0.04, "selection_size": 0.4,
        "random_state": 3,
    }  # fmt: skip
    alone = PaperSuperNeurons(**options).fit(X, y, groups=groups)
    assert alone.n_neurons_ > 1
    assert alone.margin_ != PaperSuperNeurons().fit(X, y, groups=groups).margin_
    for fitted in shared(2, X, y, groups, **options):
        same(fitted, alone, X)


def test_more_ranks_than_rows_of_them() -> None:
    X, y, groups = made(0, n=12)
    for aggregation in ("majority", "mean"):
        alone = PaperSuperNeurons(aggregation=aggregation).fit(X, y, groups=groups)
        for fitted in shared(9, X, y, groups, aggregation=aggregation):
            same(fitted, alone, X)


@pytest.mark.parametrize(("aggregation", "sent"), [("majority", 2), ("mean", 400)])
def test_of_activations_only_means_send_any(aggregation: Any, sent: int) -> None:
    X, y, groups = made(2)
    widths = list[int]()

    class Noting(Rank):
        def gathered(self, values: Any) -> list[Any]:
            widths.extend(values.shape[1:])
            return [values]

    rule = SharedPaper(aggregation=aggregation)
    rule.fit_shared(Noting(), parts_of(X, np.arange(len(y))), 400, y, groups)
    assert widths
    assert max(widths) <= sent
    assert (max(widths) > 2) == (aggregation == "mean")


def test_what_is_held_out_is_known_before_there_are_activations() -> None:
    _, y, groups = made(0)
    held = SharedPaper(selection_size=0.4).split(y, groups)
    assert held.mean() == pytest.approx(0.4, abs=0.1)
    assert set(groups[held]).isdisjoint(groups[~held])


def test_what_cannot_be_learnt_is_refused() -> None:
    X, y, groups = made(0)
    with pytest.raises(DataError, match="1 classes"):
        SharedPaper().split(["yes"] * len(y), groups)
    with pytest.raises(DataError, match="margin"):
        SharedPaper(max_margin=2).split(y, groups)
    with pytest.raises(DataError, match="2 groups"):
        SharedPaper().split(y, np.zeros(len(y)))
    X[4, 4] = np.inf
    with pytest.raises(DataError, match="finite"):
        SharedPaper().fit_shared(Rank(), parts_of(X, np.arange(len(y))), 400, y, groups)
