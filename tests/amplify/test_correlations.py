from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from superneurons.amplify.correlations import correlation_table, noise_of_random
from superneurons.amplify.outcome import best_of_reported, held_out
from superneurons.amplify.sweep import TaskSweep
from superneurons.amplify.zones import null_correlations, spearman
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


def test_every_row_is_of_its_way_of_choosing() -> None:
    """Measured, of random neurons, and of noise with as many settings to choose from."""
    swept, table = many(), correlation_table(many())
    spread = noise_of_random(swept)
    for row, (outcome_of, gain, settings) in zip(
        table.rows,
        [(best_of_reported, "relative", 12), (best_of_reported, "log-odds", 12),
         (held_out, "relative", 1), (held_out, "log-odds", 1)],
        strict=True,
    ):  # fmt: skip
        measured = []
        for kind in ("found", "random 1"):
            outcomes = [outcome_of(one, kind) for one in swept]
            base = [one.base.probability.mean() for one in outcomes]
            gains = [
                one.relative_gain if gain == "relative" else one.log_odds_gain[0]
                for one in outcomes
            ]
            measured.append(spearman(base, gains))
        assert row[2] == (measured[0].rho, *measured[0].interval)
        assert row[3:5] == (measured[0].p, measured[1].rho)
        plain = [outcome_of(one, "found").base.probability.mean() for one in swept]
        for cell, noise in ((row[5], "probability"), (row[6], "log-odds")):
            null = null_correlations(
                plain, spread[noise], noise=noise, gain=gain, configurations=settings
            )  # type: ignore[call-overload,index,arg-type]
            low, high = np.quantile(null, [0.025, 0.975])
            assert cell == pytest.approx((null.mean(), low, high))


def test_the_order_of_tasks_does_not_matter_to_what_is_measured() -> None:
    one, other = correlation_table(many()), correlation_table(many()[::-1])
    for a, b in zip(one.rows, other.rows, strict=True):
        assert a[2] == pytest.approx(b[2])
        assert a[3:5] == pytest.approx(b[3:5])


def test_the_note_tells_tasks_noise_and_settings() -> None:
    table, spread = correlation_table(many()), noise_of_random(many())
    assert "Over 6 tasks" in table.note
    assert f"{spread['probability']:.3f} in probability" in table.note
    assert f"{spread['log-odds']:.2f} in log-odds" in table.note
    assert "best of 12 settings" in table.note


def test_fewer_than_four_tasks_are_refused() -> None:
    with pytest.raises(DataError, match="cannot be correlated"):
        correlation_table(many()[:3])
    assert len(correlation_table(many()[:4]).rows) == 4
    with pytest.raises(DataError) as caught:
        noise_of_random([replace(one, grid=replace(one.grid, draws=0)) for one in many()])
    assert caught.value.where == "draws"
