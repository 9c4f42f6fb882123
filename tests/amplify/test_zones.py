from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

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


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 20))
def test_rank_correlations_are_those_of_the_formulas(seed: int, n: int) -> None:
    """Without ties rho is 1 - 6 sum d^2 / (n^3 - n); its z varies by (1 + rho^2 / 2) / (n - 3)."""
    rng = np.random.default_rng(seed)
    x, y = rng.permutation(n), rng.permutation(n)
    rho = 1 - 6 * ((x - y) ** 2).sum() / (n**3 - n)
    assume(abs(rho) < 1)
    found = spearman(x, y)
    assert found.rho == pytest.approx(rho)
    assert found.n == n
    z = 0.5 * np.log((1 + rho) / (1 - rho))
    half = 1.959964 * ((1 + rho * rho / 2) / (n - 3)) ** 0.5
    assert found.interval == pytest.approx((np.tanh(z - half), np.tanh(z + half)), abs=1e-6)
    t = rho * ((n - 2) / (1 - rho**2)) ** 0.5
    assert found.p == pytest.approx(2 * student.sf(abs(t), n - 2), abs=1e-9)
    assert spearman(y, x).interval == pytest.approx(found.interval)


@pytest.mark.parametrize("sign", [1, -1])
def test_perfect_agreement_has_ends_that_are_finite(sign: int) -> None:
    found = spearman([1, 2, 3, 4, 5], sign * np.arange(5))
    assert found.rho == pytest.approx(sign)
    low, high = found.interval
    assert np.isfinite([low, high]).all()
    assert 0.99 < sign * low <= 1
    assert 0.99 < sign * high <= 1


def test_four_pairs_are_enough_and_a_column_or_a_constant_is_not() -> None:
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]).rho == pytest.approx(0.8)
    for x, y in (
        (np.arange(4), np.ones(4)),
        (np.arange(4)[:, None], np.arange(4)[:, None]),
        ([1, 2, 3], [1, 2, 3]),
    ):
        with pytest.raises(DataError, match="cannot be correlated") as caught:
            spearman(x, y)
        assert caught.value.where == "correlation"
    # Small values that differ do differ.
    assert spearman([0, 1e-9, 2e-9, 3e-9], [0.5, 0.6, 0.7, 0.9]).rho == pytest.approx(1)


def test_a_bootstrap_draws_whole_units_with_replacement() -> None:
    mean, (low, high) = mean_interval([0.0, 1.0], n_draws=4000)
    # Means are 0, 0.5 and 1 with odds of 1 : 2 : 1.
    assert (mean, low, high) == (0.5, 0.0, 1.0)
    values = np.random.default_rng(2).normal(size=400)
    _, (low, high) = mean_interval(values)
    # As wide as the normal approximation says.
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert mean_interval([3.0]) == (3.0, (3.0, 3.0))


def test_one_configuration_without_choice_is_noise_of_the_spread_given() -> None:
    """The same draws, correlated by a loop."""
    base, spread = np.array([0.05, 0.1, 0.2, 0.3, 0.6]), 0.04
    for noise in ("probability", "log-odds"):
        for gain in ("relative", "log-odds"):
            for configurations in (1, 3):
                rng, wanted = np.random.default_rng(7), []
                for _ in range(5):
                    shift = rng.normal(scale=spread, size=(configurations, 5)).max(axis=0)
                    odds = np.log(base / (1 - base))
                    if noise == "probability":
                        after = np.clip(base + shift, 1e-6, 1 - 1e-6)
                    else:
                        after = 1 / (1 + np.exp(-(odds + shift)))
                    gained = (
                        after / base if gain == "relative" else np.log(after / (1 - after)) - odds
                    )
                    ranks = [np.argsort(np.argsort(v)) for v in (base, gained)]
                    wanted.append(np.corrcoef(*ranks)[0, 1])
                found = null_correlations(
                    base, spread, noise=noise, gain=gain,  # type: ignore[arg-type]
                    configurations=configurations, n_draws=5, seed=7,
                )  # fmt: skip
                np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_four_tasks_are_enough_to_simulate_and_their_probabilities_have_to_differ() -> None:
    found = null_correlations(BASE[:4], 0.1, noise="log-odds", gain="relative", n_draws=3)
    assert found.shape == (3,)
    for base in (np.full(5, 0.2), [0.1, 0.2, 0.3, 1.0], BASE[:, None], [0.1, 0.2, np.nan, 0.3]):
        with pytest.raises(DataError, match="Nothing can be simulated"):
            null_correlations(base, 0.1, noise="log-odds", gain="relative")
    with pytest.raises(DataError, match="spread nan"):
        null_correlations(BASE, np.nan, noise="log-odds", gain="relative")


def test_whole_numbers_and_lists_have_zones_and_gains() -> None:
    assert zones([[0, 1], [0.08, 0.1]]).tolist() == [[0, 2], [1, 1]]
    assert zones(0.5) == 2
    assert relative_gain([2, 4], [3, 2]).tolist() == [50.0, -50.0]
    assert relative_gain(np.float32(0.5), 1) == 100
