"""What the publication draws (base probability against relative gain), and what noise makes of it.

The gain relative to the base probability has that probability in its denominator, so it falls with
it whatever is done to the model. The null simulation says how far; log-odds have no such defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata, spearmanr

from superneurons.amplify.readings import log_odds_of, probability_of
from superneurons.errors import DataError
from superneurons.evaluate.intervals import CONFIDENCE, Interval, percentiles

__all__ = [
    "BOUNDS",
    "ZONES",
    "Correlation",
    "Noise",
    "mean_interval",
    "null_correlations",
    "relative_gain",
    "spearman",
    "zones",
]

BOUNDS = (0.07, 0.10)
"""Of the publication's zones of base probability; the middle one's are inferred."""

ZONES = ("< 0.07", "0.07 to 0.10", "> 0.10")

Noise: TypeAlias = Literal["probability", "log-odds"]
"""What is noisy in the null simulation."""

_LEAST = 1e-6
_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Correlation:
    """A rank correlation.

    Parameters
    ----------
    rho
        Spearman's.
    p
        Two-sided p-value of none, by Student's t.
    interval
        At 95 %, by Fisher's z.
    n
        Pairs.
    """

    rho: float
    p: float
    interval: Interval
    n: int


def zones(probability: ArrayLike) -> NDArray[np.int64]:
    """Return the zone of each base probability: 0, 1 or 2, of the same shape.

    Examples
    --------
    >>> zones([0.01, 0.07, 0.10, 0.5]).tolist()
    [0, 1, 1, 2]
    """
    p = np.asarray(probability, dtype=np.float64)
    return (p >= BOUNDS[0]).astype(np.int64) + (p > BOUNDS[1])


def relative_gain(base: ArrayLike, amplified: ArrayLike) -> NDArray[np.float64]:
    """Return the gain in percent of the base probability, of the same shape.

    Examples
    --------
    >>> relative_gain([0.02], [0.03]).round(6).tolist()
    [50.0]
    """
    before = np.asarray(base, dtype=np.float64)
    return np.asarray(100 * (np.asarray(amplified, dtype=np.float64) / before - 1))


def spearman(x: ArrayLike, y: ArrayLike) -> Correlation:
    """Correlate ranks.

    Parameters
    ----------
    x, y
        Shape (N,), at least four.

    Raises
    ------
    DataError
        With fewer than four pairs, or values that are all the same.

    Notes
    -----
    The variance of Fisher's z of rank correlations is that of Bonett and Wright (2000).
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        raise DataError(
            f"Ranks of shapes {a.shape} and {b.shape} cannot be correlated.",
            where="correlation",
            mend="Give at least four pairs that differ on both sides.",
        )
    found = spearmanr(a, b)
    rho, n = float(found.statistic), len(a)
    half = float(norm.ppf((1 + CONFIDENCE) / 2)) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    centre = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    ends = float(np.tanh(centre - half)), float(np.tanh(centre + half))
    return Correlation(rho, float(found.pvalue), ends, n)


def mean_interval(
    values: ArrayLike, *, n_draws: int = _DRAWS, seed: int = 0
) -> tuple[float, Interval]:
    """Return a mean and its 95 % bootstrap interval.

    Parameters
    ----------
    values
        Of units that are independent, shape (N,), at least one.
    n_draws, seed
        Of the bootstrap.

    Examples
    --------
    >>> mean_interval([1.0, 1.0])
    (1.0, (1.0, 1.0))
    """
    given = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(given), size=(n_draws, len(given)))
    return float(given.mean()), percentiles(given[drawn].mean(axis=1))


def null_correlations(
    base: ArrayLike,
    spread: float,
    *,
    noise: Noise,
    gain: Literal["relative", "log-odds"],
    configurations: int = 1,
    n_draws: int = _DRAWS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Correlate base probability and gain where amplification is noise that knows no task.

    Parameters
    ----------
    base
        Base probability of each of T tasks, shape (T,), at least four that differ.
    spread
        Standard deviation of the noise, in the unit of ``noise``.
    noise
        What it is added to.
    gain
        What is correlated with the base probability, by rank.
    configurations
        The best of so many is reported for each task, chosen on what is reported.
    n_draws, seed
        Of the simulation.

    Returns
    -------
    ndarray of shape (n_draws,), float64
        Spearman's correlations.

    Raises
    ------
    DataError
        With fewer than four tasks, probabilities not between 0 and 1, or no noise.
    """
    p = np.asarray(base, dtype=np.float64)
    usable = p.ndim == 1 and len(p) >= 4 and p.min() > 0 and p.max() < 1 and np.ptp(p) > 0
    if not usable or not spread > 0 or configurations < 1 or noise not in get_args(Noise):
        raise DataError(
            f"Nothing can be simulated: {p.size} base probabilities, spread {spread}, "
            f"{configurations} configurations, noise in {noise!r}.",
            where="null simulation",
            mend="Give at least four probabilities between 0 and 1, a spread above 0, at least "
            f"one configuration, and one of {', '.join(get_args(Noise))}.",
        )
    rng, size = np.random.default_rng(seed), (configurations, len(p))
    shift = np.stack([rng.normal(scale=spread, size=size).max(axis=0) for _ in range(n_draws)])
    return _rank_correlations(p, _gain(p, shift, noise, gain))


def _gain(
    p: NDArray[np.float64], shift: NDArray[np.float64], noise: Noise, gain: str
) -> NDArray[np.float64]:
    if noise == "log-odds":
        after = probability_of(log_odds_of(p) + shift)
    else:
        after = np.clip(p + shift, _LEAST, 1 - _LEAST)
    return relative_gain(p, after) if gain == "relative" else log_odds_of(after) - log_odds_of(p)


def _rank_correlations(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of shape (T,) with each row of shape (D, T)."""
    a, b = rankdata(x), rankdata(y, axis=1)
    a, b = a - a.mean(), b - b.mean(axis=1, keepdims=True)
    return np.asarray(b @ a / np.sqrt((a @ a) * (b * b).sum(axis=1)))
