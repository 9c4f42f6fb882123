"""Shares of records in groups, and whether they changed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from superneurons.evaluate.intervals import wilson
from superneurons.evaluate.shares import changed, design_effect, share_of


def drawn(
    rng: np.random.Generator, rate: float, *, groups: int, size: int = 1, alike: float = 0.0
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Records in groups; with ``alike`` a record is as the first of its group."""
    first = rng.random(groups) < rate
    own = rng.random((groups, size)) < rate
    same = rng.random((groups, size)) < alike
    counts = np.where(same, first[:, None], own)
    return counts.ravel(), np.repeat(np.arange(groups), size)


def test_independent_records_count_as_many_as_they_are() -> None:
    counts, groups = drawn(np.random.default_rng(0), 0.8, groups=50)
    assert design_effect(counts, groups) == 1
    found = share_of(counts, groups)
    assert (found.hits, found.n, found.effective) == (int(counts.sum()), 50, 50)
    assert found.interval == pytest.approx(wilson(found.hits, 50), abs=1e-9)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("size", [2, 5])
def test_copies_tell_no_more_than_one_of_them(value: bool, size: int) -> None:
    counts = np.repeat([value, value, True, False], size)
    groups = np.repeat(np.arange(4), size)
    assert share_of(counts, groups).effective == pytest.approx(4)
    assert share_of(np.full(4 * size, value), groups).effective == pytest.approx(4)


def test_between_alike_and_independent_the_effect_is_that_of_their_correlation() -> None:
    rng = np.random.default_rng(0)
    counts, groups = drawn(rng, 0.5, groups=4000, size=4, alike=0.5)
    # Two of a group are alike in 1/4 of all pairs by the draw: correlation 0.25, so 1 + 3 · 0.25.
    assert design_effect(counts, groups) == pytest.approx(1.75, rel=0.15)


def test_groups_that_differ_less_than_chance_are_no_gain() -> None:
    assert design_effect(np.array([True, False] * 10), np.repeat(np.arange(10), 2)) == 1


def test_one_group_is_one_record() -> None:
    assert share_of(np.array([True] * 3 + [False]), np.zeros(4)).effective == 1


def test_nothing_is_known_of_nothing() -> None:
    nothing = share_of(np.zeros(0, dtype=bool), np.zeros(0))
    assert nothing.interval == (0, 1)
    some = share_of(np.ones(50, dtype=bool), np.arange(50))
    assert changed(nothing, some) == changed(some, nothing) == 1


@pytest.mark.parametrize("hits", range(0, 41, 8))
def test_the_interval_holds_the_share(hits: int) -> None:
    for size in (1, 3, 7):
        found = share_of(np.arange(40) < hits, np.arange(40) // size)
        low, high = found.interval
        assert 0 <= low <= found.value <= high <= 1
        assert low < high


@pytest.mark.parametrize(("size", "alike"), [(1, 0.0), (4, 1.0), (4, 0.6)])
def test_an_unchanged_share_is_hardly_ever_called_changed(size: int, alike: float) -> None:
    rng = np.random.default_rng(1)
    level, times, said = 0.05, 300, 0
    for _ in range(times):
        one, other = (
            share_of(*drawn(rng, 0.85, groups=groups, size=size, alike=alike))
            for groups in (80, 60)
        )
        said += changed(one, other) < level
    assert said / times <= level + 2 * np.sqrt(level * (1 - level) / times)


def test_a_share_that_changed_is_found_the_surer_the_more_records() -> None:
    values = []
    for n in (20, 60, 200):
        good = share_of(np.arange(n) < 0.95 * n, np.arange(n))
        bad = share_of(np.arange(n) < 0.75 * n, np.arange(n))
        assert changed(good, bad) == pytest.approx(changed(bad, good))
        values.append(changed(good, bad))
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1e-6


def test_copies_of_a_difference_are_no_more_evidence() -> None:
    def share(hits: int, copies: int) -> float:
        one = np.repeat(np.arange(20) < hits, copies)
        return changed(
            share_of(one, np.repeat(np.arange(20), copies)),
            share_of(np.arange(20) < 10, np.arange(20)),
        )

    assert share(18, 1) == pytest.approx(share(18, 9))
