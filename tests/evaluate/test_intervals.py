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
