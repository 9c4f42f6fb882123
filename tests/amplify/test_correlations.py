from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from superneurons.amplify.correlations import correlation_table, noise_of_random
from superneurons.amplify.outcome import best_of_reported, held_out
from superneurons.amplify.sweep import TaskSweep
from superneurons.amplify.zones import spearman
from superneurons.errors import DataError
from tiny_sweeps import made_up

BASES = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0)


def many() -> list[TaskSweep]:
    return [made_up(f"task {i}", base, seed=i) for i, base in enumerate(BASES)]


def test_noise_is_what_random_neurons_do() -> None:
    found = noise_of_random(many())
    squares: dict[str, list[float]] = {"probability": [], "log-odds": []}
    for one in many():
        p = one.base.probability[one.reporting].mean()
        for layer in range(3):
            for kind in (3, 4):
                for count in range(2):
                    for times in range(2):
                        odds = one.found.log_odds[layer, kind, count, times, one.reporting]
                        q = (1 / (1 + np.exp(-odds.astype(float)))).mean()
                        squares["probability"].append((q - p) ** 2)
                        shift = np.log(q / (1 - q)) - np.log(p / (1 - p))
                        squares["log-odds"].append(shift**2)
    for kind, values in squares.items():
        assert found[kind] == pytest.approx(np.sqrt(np.mean(values)), rel=1e-6)  # type: ignore[index]


def test_the_rows_are_ways_of_choosing_and_kinds_of_gain() -> None:
    swept, table = many(), correlation_table(many())
    assert [row[:2] for row in table.rows] == [
        ("on the reported prompts", "relative"),
        ("on the reported prompts", "log-odds"),
        ("on the other half", "relative"),
        ("on the other half", "log-odds"),
    ]
    base = [held_out(one).base.probability.mean() for one in swept]
    best = spearman(base, [best_of_reported(one).relative_gain for one in swept])
    assert table.rows[0][2] == (best.rho, *best.interval)
    held = spearman(base, [held_out(one).log_odds_gain[0] for one in swept])
    assert table.rows[3][2] == (held.rho, *held.interval)
    assert table.rows[3][3] == held.p


def test_a_gain_that_is_the_same_for_all_tasks_falls_with_the_base_only_relatively() -> None:
    rows = correlation_table(many()).rows
    relative, odds = rows[2][2], rows[3][2]
    assert isinstance(relative, tuple)
    assert isinstance(odds, tuple)
    assert relative[0] < -0.9
    assert abs(odds[0]) < 0.9
    for row in rows:
        for mean, low, high in (row[5], row[6]):  # type: ignore[misc]
            assert low <= mean <= high


def test_without_random_neurons_there_is_no_noise() -> None:
    one = made_up()
    grid = replace(one.grid, draws=0)
    with pytest.raises(DataError, match="none were drawn"):
        noise_of_random([replace(one, grid=grid)])
