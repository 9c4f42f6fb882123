"""What "Selective Neuron Amplification" (2026) draws, written out in plain loops.

The formulas are inferred: the publication states none. Its rank correlation of -0.762 with
p = 0.004 is what twelve pairs give.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from superneurons.amplify.zones import null_correlations, relative_gain, spearman, zones


def ranks(values: list[float]) -> list[float]:
    return [
        1 + sum(other < value for other in values) + (values.count(value) - 1) / 2
        for value in values
    ]


def rho_of(x: list[float], y: list[float]) -> float:
    a, b = ranks(x), ranks(y)
    mean = (len(x) + 1) / 2
    above = sum((p - mean) * (q - mean) for p, q in zip(a, b, strict=True))
    below = math.sqrt(sum((p - mean) ** 2 for p in a) * sum((q - mean) ** 2 for q in b))
    return above / below


def p_of(rho: float, n: int) -> float:
    t = rho * math.sqrt((n - 2) / (1 - rho**2))
    return 2 * float(student.sf(abs(t), n - 2))


def zone_of(p: float) -> int:
    if p < 0.07:
        return 0
    return 1 if p <= 0.10 else 2


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 20))
def test_spearman(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.append(rng.integers(0, 6, size=n - 2), [6, 7]).astype(float).tolist()  # with ties
    y = rng.normal(size=n).tolist()
    found = spearman(x, y)
    expected = rho_of(x, y)
    assert found.rho == pytest.approx(expected)
    if abs(expected) < 0.999:
        assert found.p == pytest.approx(p_of(expected, n))
        z, half = math.atanh(expected), 1.959964 * math.sqrt((1 + expected**2 / 2) / (n - 3))
        assert found.interval == pytest.approx((math.tanh(z - half), math.tanh(z + half)), abs=1e-5)


def test_the_published_p_is_that_of_twelve_pairs() -> None:
    found = {n: round(p_of(-0.762, n), 3) for n in (11, 12, 13)}
    assert found == {11: 0.006, 12: 0.004, 13: 0.002}


@settings(max_examples=30, deadline=None)
@given(p=st.floats(0.001, 0.999), q=st.floats(0.001, 0.999))
def test_zones_and_gains(p: float, q: float) -> None:
    assert zones([p]).tolist() == [zone_of(p)]
    assert relative_gain([p], [q])[0] == pytest.approx(100 * (q - p) / p)


def test_the_published_correlation_is_within_what_noise_gives() -> None:
    """Twelve tasks, bases of 0.01 to 0.3, the best of 200 settings that know no task."""
    rng = np.random.default_rng(0)
    low, inside = [], 0
    for draw in range(60):
        base = np.exp(rng.uniform(np.log(0.01), np.log(0.3), size=12))
        found = null_correlations(
            base, 0.3, noise="log-odds", gain="relative", configurations=200, n_draws=10, seed=draw
        )
        low += found.tolist()
        inside += int((found <= -0.762).sum())
    assert np.mean(low) < -0.45
    assert inside / len(low) > 0.1


def test_the_simulation_is_what_a_loop_gives() -> None:
    base, spread = [0.05, 0.1, 0.2, 0.4, 0.6], 0.7
    rng, expected = np.random.default_rng(4), []
    for _ in range(8):
        gains = []
        noise = rng.normal(scale=spread, size=(3, 5))
        for task, p in enumerate(base):
            best = max(noise[k][task] for k in range(3))
            after = 1 / (1 + math.exp(-(math.log(p / (1 - p)) + best)))
            gains.append(100 * (after - p) / p)
        expected.append(rho_of(base, gains))
    found = null_correlations(
        base, spread, noise="log-odds", gain="relative", configurations=3, n_draws=8, seed=4
    )
    np.testing.assert_allclose(found, expected)
