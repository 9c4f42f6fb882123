"""95 % intervals: Wilson's where samples are independent, else a bootstrap over groups."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

__all__ = ["CONFIDENCE", "Interval", "percentiles", "resampled_counts", "wilson"]

Interval: TypeAlias = tuple[float, float]

CONFIDENCE = 0.95


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Give the score interval of a share of independent samples.

    Unlike the normal interval it stays within 0 and 1, and has a width where all are right.

    Parameters
    ----------
    successes
        0 to ``n``.
    n
        At least 1.

    Notes
    -----
    Wilson 1927; Brown, Cai and DasGupta 2001 recommend it for small n.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(10, 10)]
    [0.722, 1.0]
    """
    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    share = successes / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # Where all are right or all wrong one end is the share itself; rounding must not pass it by.
    return max(0.0, min(share, float(centre - half))), min(1.0, max(share, float(centre + half)))


def resampled_counts(
    counts: NDArray[np.int64], strata: NDArray[np.int64], *, n_draws: int, seed: int
) -> NDArray[np.int64]:
    """Draw units anew with replacement, within strata, and add up what they count.

    Parameters
    ----------
    counts
        What each unit (a sample, or a group of them) adds to each of K counts, shape (G, K).
    strata
        Shape (G,): each keeps its number of units in every draw.
    n_draws
        B.
    seed
        The same seed and the same units, in any order, give the same draws.

    Returns
    -------
    ndarray of shape (B, K), int64
    """
    rng = np.random.default_rng(seed)
    totals = np.zeros((n_draws, counts.shape[1]), dtype=np.int64)
    for stratum in np.unique(strata):
        units = counts[strata == stratum]
        # A class has few columns of its own; of a thousand classes there are thousands of columns.
        own = np.flatnonzero(units.any(axis=0))
        # Units that count alike are one and the same to a bootstrap: draw how many of each kind.
        kinds, alike = np.unique(units[:, own], axis=0, return_counts=True)
        totals[:, own] += rng.multinomial(alike.sum(), alike / alike.sum(), size=n_draws) @ kinds
    return totals


def percentiles(draws: NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval:
    """Give the percentile interval of bootstrap draws of shape (B,)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)
