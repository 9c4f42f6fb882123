from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.amplify.zones import (
    ZONES,
    mean_interval,
    null_correlations,
    relative_gain,
    spearman,
    zones,
)
from superneurons.errors import DataError

BASE = np.linspace(0.02, 0.4, 12)


def test_the_zones_meet_at_the_bounds() -> None:
    assert [ZONES[z] for z in zones([0.0, 0.0699, 0.07, 0.1, 0.1001, 1.0])] == [
        "< 0.07", "< 0.07", "0.07 to 0.10", "0.07 to 0.10", "> 0.10", "> 0.10",
    ]  # fmt: skip


def test_the_gain_is_relative_to_the_base() -> None:
    np.testing.assert_allclose(relative_gain([0.1, 0.2, 0.5], [0.2, 0.1, 0.5]), [100, -50, 0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ranks_alone_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=12), rng.normal(size=12)
    found = spearman(x, y)
    assert found.rho == pytest.approx(spearman(np.exp(x), y**3).rho)
    assert found.rho == pytest.approx(-spearman(x, -y).rho)
    assert found.interval[0] < found.rho < found.interval[1]
    assert -1 <= found.interval[0] < found.interval[1] <= 1


def test_more_pairs_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    few, many = spearman(x[:12], y[:12]), spearman(x, y)
    assert np.ptp(many.interval) < np.ptp(few.interval) / 2
    assert many.n == 200


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    # Of normal variables with this correlation, Spearman's is 6 / pi * asin(r / 2).
    r, hits = 0.6, 0
    truth = 6 / np.pi * np.arcsin(r / 2)
    for _ in range(300):
        x = rng.normal(size=30)
        y = r * x + np.sqrt(1 - r**2) * rng.normal(size=30)
        low, high = spearman(x, y).interval
        hits += low <= truth <= high
    assert 0.91 <= hits / 300 <= 0.985


@pytest.mark.parametrize(
    ("x", "y"), [([1, 2, 3], [1, 2, 3]), ([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3, 4], [1, 2, 3])]
)
def test_what_has_no_correlation_is_refused(x: list[int], y: list[int]) -> None:
    with pytest.raises(DataError, match="cannot be correlated"):
        spearman(x, y)


def test_a_mean_lies_within_its_interval_which_follows_the_spread() -> None:
    values = np.random.default_rng(0).normal(loc=3, size=50)
    mean, (low, high) = mean_interval(values)
    assert low < mean < high
    wide = mean_interval(3 + 4 * (values - 3))[1]
    assert np.ptp(wide) == pytest.approx(4 * (high - low))
    assert mean_interval(values) == (mean, (low, high))
    assert mean_interval(values, seed=1)[1] != (low, high)


def test_noise_alone_makes_relative_gain_fall_with_the_base() -> None:
    best = null_correlations(
        BASE, 0.02, noise="probability", gain="relative", configurations=50, n_draws=300
    )
    assert best.mean() < -0.8
    odds = null_correlations(
        BASE, 0.5, noise="log-odds", gain="relative", configurations=50, n_draws=300
    )
    assert -0.9 < odds.mean() < -0.4


def test_noise_in_log_odds_leaves_log_odds_gain_alone() -> None:
    for configurations in (1, 50):
        found = null_correlations(
            BASE, 0.5, noise="log-odds", gain="log-odds", configurations=configurations, n_draws=500
        )
        assert abs(found.mean()) < 0.05
        assert 0.2 < found.std() < 0.4


def test_draws_follow_the_seed() -> None:
    one, same, other = (
        null_correlations(BASE, 0.1, noise="log-odds", gain="relative", n_draws=20, seed=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("base", "spread", "configurations"),
    [(BASE[:3], 0.1, 1), (BASE, 0.0, 1), (BASE, 0.1, 0), ([0, 0.1, 0.2, 0.3], 0.1, 1)],
)
def test_what_cannot_be_simulated_is_refused(base, spread, configurations) -> None:
    with pytest.raises(DataError, match="Nothing can be simulated"):
        null_correlations(
            base, spread, noise="log-odds", gain="relative", configurations=configurations
        )
    with pytest.raises(DataError, match="'colour'"):
        null_correlations(BASE, 0.1, noise="colour", gain="relative")  # type: ignore[arg-type]
