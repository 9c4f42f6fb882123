from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from superneurons.evaluate.intervals import percentiles, resampled_counts, wilson


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_is_scipys(n, share) -> None:
    k = round(share * n)
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_more_samples_and_less_confidence_make_it_narrower() -> None:
    def width(interval):
        return interval[1] - interval[0]

    assert width(wilson(800, 1000)) < width(wilson(80, 100)) < width(wilson(8, 10))
    assert width(wilson(80, 100, confidence=0.5)) < width(wilson(80, 100))


def test_strata_keep_their_size_in_every_draw() -> None:
    counts = np.eye(4, dtype=np.int64)[[0] * 30 + [1] * 10 + [2] * 5 + [3] * 5]
    strata = np.array([0] * 40 + [1] * 10)
    draws = resampled_counts(counts, strata, n_draws=500, seed=0)
    assert (draws[:, :2].sum(axis=1) == 40).all()
    assert (draws[:, 2:].sum(axis=1) == 10).all()
    np.testing.assert_allclose(draws.mean(axis=0), [30, 10, 5, 5], rtol=0.1)


def test_it_spreads_as_drawing_units_one_by_one_does() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, size=(60, 3))
    draws = resampled_counts(counts, np.zeros(60, dtype=int), n_draws=20_000, seed=0)
    slow = counts[rng.integers(0, 60, size=(20_000, 60))].sum(axis=1)
    np.testing.assert_allclose(draws.mean(axis=0), slow.mean(axis=0), rtol=0.01)
    np.testing.assert_allclose(np.cov(draws.T), np.cov(slow.T), atol=3)


def test_draws_depend_on_the_seed_and_not_on_the_order_of_units() -> None:
    counts = np.random.default_rng(0).integers(0, 3, size=(40, 2))
    strata = np.arange(40) % 2
    order = np.random.default_rng(1).permutation(40)
    one = resampled_counts(counts, strata, n_draws=50, seed=0)
    other = resampled_counts(counts[order], strata[order], n_draws=50, seed=0)
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, resampled_counts(counts, strata, n_draws=50, seed=1))


def test_percentiles_leave_two_and_a_half_percent_on_each_side() -> None:
    assert percentiles(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 3000), share=st.floats(0, 1), confidence=st.floats(0.01, 0.999))
def test_wilson_holds_the_share_and_mirrors(n, share, confidence) -> None:
    k = round(share * n)
    low, high = wilson(k, n, confidence)
    assert 0 <= low <= k / n <= high <= 1
    mirrored = wilson(n - k, n, confidence)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize("n", [1, 13, 25, 35, 41, 300])
def test_all_right_reaches_one_and_all_wrong_nought(n) -> None:
    assert wilson(n, n)[1] == 1
    assert wilson(0, n)[0] == 0
    assert wilson(n, n)[0] > 0
    assert wilson(0, n)[1] < 1


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 400), data=st.data())
def test_one_more_success_moves_both_ends_up(n, data) -> None:
    k = data.draw(st.integers(0, n - 1))
    (low, high), (low_next, high_next) = wilson(k, n), wilson(k + 1, n)
    assert low_next > low or k == 0
    assert low_next >= low
    assert high_next >= high


@settings(max_examples=40, deadline=None)
@given(
    draws=st.lists(st.floats(-5, 5), min_size=1, max_size=50),
    confidence=st.floats(0.1, 0.99),
)
def test_percentiles_stay_within_the_draws_and_hold_the_median(draws, confidence) -> None:
    values = np.array(draws)
    low, high = percentiles(values, confidence)
    assert values.min() <= low <= np.median(values) + 1e-12
    assert np.median(values) - 1e-12 <= high <= values.max()
    wider = percentiles(values, (1 + confidence) / 2)
    assert wider[0] <= low + 1e-12
    assert wider[1] >= high - 1e-12


def test_units_that_are_all_alike_leave_nothing_to_chance() -> None:
    draws = resampled_counts(np.full((7, 2), 3), np.zeros(7, dtype=int), n_draws=20, seed=0)
    assert (draws == 21).all()


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=12),
    places=st.permutations(range(6)),
    seed=st.integers(0, 99),
)
def test_columns_that_nothing_counts_in_change_no_draw(counts, places, seed) -> None:
    own = np.array(counts)
    strata = np.arange(len(own)) % 3
    kept = sorted(places[:3])
    wide = np.zeros((len(own), 6), dtype=np.int64)
    wide[:, kept] = own
    draws = resampled_counts(wide, strata, n_draws=20, seed=seed)
    expected = resampled_counts(own, strata, n_draws=20, seed=seed)
    np.testing.assert_array_equal(draws[:, kept], expected)
    assert draws.sum() == expected.sum()


def test_a_stratum_that_counts_nothing_is_drawn_as_nothing() -> None:
    counts = np.array([[0, 0], [0, 0], [1, 0], [0, 1]])
    draws = resampled_counts(counts, np.array([0, 0, 1, 1]), n_draws=50, seed=0)
    assert (draws.sum(axis=1) == 2).all()
    nothing = resampled_counts(counts[:2], np.zeros(2, int), n_draws=50, seed=0)
    assert nothing.shape == (50, 2)
    assert not nothing.any()
