from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import bright_records, choices, coloured, shades
from superneurons.evaluate.robustness.subsets import nested_subsets
from superneurons.task.record import Record


def labels_of(records: list[Record], rows: np.ndarray) -> list[str]:
    return [str(records[i].label) for i in rows]


def test_each_is_part_of_the_larger_ones() -> None:
    drawn = nested_subsets(shades(60), (6, 12, 30, 100), seed=0)
    assert [len(rows) for rows in drawn.values()] == [6, 12, 30, 60]
    for small, large in ((6, 12), (12, 30), (30, 100)):
        assert set(drawn[small]) < set(drawn[large])
    assert all((np.diff(rows) > 0).all() for rows in drawn.values())


@pytest.mark.parametrize("seed", range(5))
def test_small_ones_are_even(seed: int) -> None:
    rare = [r for i, r in enumerate(bright_records(80)) if r.label == "no" or i % 10 == 1]
    drawn = nested_subsets(rare, (8, 16, 40), seed=seed)
    assert labels_of(rare, drawn[8]).count("yes") == 4
    assert labels_of(rare, drawn[16]).count("yes") == 8
    assert labels_of(rare, drawn[40]).count("yes") == 8  # there are no more


def test_groups_never_straddle() -> None:
    records = [replace(r, group=f"g{i // 4}") for i, r in enumerate(bright_records(80))]
    for seed in range(4):
        for rows in nested_subsets(records, (10, 30), seed=seed).values():
            assert len(rows) % 4 == 0
            named = [records[i].group for i in rows]
            assert all(named.count(group) == 4 for group in named)


def test_a_size_is_never_passed() -> None:
    records = [replace(r, group=f"g{i // 4}") for i, r in enumerate(bright_records(80))]
    drawn = nested_subsets(records, (3, 10, 30), seed=0)
    assert {n: len(rows) for n, rows in drawn.items()} == {3: 0, 10: 8, 30: 28}


def test_the_same_seed_draws_the_same() -> None:
    records = bright_records(60)
    drawn = [nested_subsets(records, (20,), seed=seed)[20].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_pictures_that_are_shared_stay_together() -> None:
    plain = coloured(12)
    records = plain + [replace(r, question="Really?") for r in plain]
    for rows in nested_subsets(records, (8,), seed=2).values():
        chosen = set(rows.tolist())
        assert all((i + 12) % 24 in chosen for i in chosen)


def test_places_of_options_are_even() -> None:
    records = choices(60)
    rows = nested_subsets(records, (20,), seed=0)[20]
    places = [(records[i].options or ()).index(str(records[i].label)) for i in rows]
    counts = np.bincount(places, minlength=3)
    assert counts.sum() == 20
    assert counts[:2].min() >= 6
