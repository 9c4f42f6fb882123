"""A share of records that may come in groups, and whether it is another share than it was."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from superneurons.evaluate.intervals import CONFIDENCE, Interval, wilson
from superneurons.shortcut.lock import Share

__all__ = ["changed", "design_effect", "share_of"]


def design_effect(counts: NDArray[np.bool_], groups: NDArray[Any]) -> float:
    """Return how many records tell as much as one independent record would, at least 1.

    The variance of the share between groups, over that of independent records; at most the size of
    the group that a record is in, on average, which it is where all records are alike.

    Parameters
    ----------
    counts
        Whether each record counts, shape (N,).
    groups
        The group of each, shape (N,).

    Notes
    -----
    Kish 1965, "Survey Sampling"; with the linearised variance of a share of clusters that differ
    in size.

    Examples
    --------
    >>> design_effect(np.array([True, True, False, False]), np.array([0, 0, 1, 1]))
    2.0
    """
    n = len(counts)
    names, of_record = np.unique(groups, return_inverse=True)
    if n == 0 or len(names) == n:
        return 1.0
    share, sizes = counts.mean(), np.bincount(of_record)
    most = float(sizes @ sizes) / n
    if share in (0, 1) or len(names) == 1:
        return most
    off = np.bincount(of_record, weights=counts - share)
    between = len(names) / (len(names) - 1) * float(off @ off) / n**2
    return float(np.clip(between / (share * (1 - share) / n), 1.0, most))


def share_of(counts: NDArray[np.bool_], groups: NDArray[Any]) -> Share:
    """Return the share of records that count, with its 95 % interval.

    Parameters
    ----------
    counts, groups
        As for :func:`design_effect`.

    Examples
    --------
    >>> share_of(np.array([True] * 3 + [False]), np.arange(4)).value
    0.75
    """
    n, hits = len(counts), int(np.sum(counts))
    if n == 0:
        return Share(0, 0, 0.0, (0.0, 1.0))
    effective = n / design_effect(counts, groups)
    return Share(hits, n, round(effective, 6), _interval(hits / n, effective))


def _interval(share: float, effective: float) -> Interval:
    n = max(1, int(effective))
    low, high = wilson(round(share * n), n, CONFIDENCE)
    return round(min(low, share), 9), round(max(high, share), 9)


def changed(then: Share, now: Share) -> float:
    """Return how likely two shares this far apart are if nothing changed (two-sided p-value).

    Fisher's exact test on the numbers of independent records that both rest on, rounded down. It
    never says that something changed more often than its level has it, and more rarely for few
    records. 1 where one of them rests on nothing.

    Examples
    --------
    >>> good, bad = (share_of(np.arange(50) < n, np.arange(50)) for n in (45, 25))
    >>> changed(good, good), changed(good, bad) < 0.001
    (1.0, True)
    """
    table = [_independent(share) for share in (then, now)]
    if not all(map(sum, table)):
        return 1.0
    return min(1.0, float(fisher_exact(table).pvalue))


def _independent(share: Share) -> tuple[int, int]:
    n = int(share.effective)
    hits = round(share.value * n)
    return hits, n - hits
