"""Whether one read-out is better than another on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from superneurons.errors import DataError
from superneurons.evaluate.intervals import Interval, percentiles, resampled_counts
from superneurons.evaluate.metrics import N_DRAWS, answer_counts, bootstrap_units, rates

__all__ = ["PairedDifference", "Rate", "mcnemar", "paired_difference"]

Rate: TypeAlias = Literal["accuracy", "balanced_accuracy", "f1"]
_RATES = ("accuracy", "balanced_accuracy", "f1")


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> float:
    """Test whether two read-outs are right equally often; samples must be independent.

    Parameters
    ----------
    right_a, right_b
        Shape (N,): whether each was right on each sample.

    Returns
    -------
    float
        Two-sided p-value of the exact test: only samples count on which one was right and the
        other wrong, and those are tosses of a fair coin if neither is better. 1 without any.

    Notes
    -----
    McNemar 1947. With several questions on one picture use :func:`paired_difference` instead.

    Examples
    --------
    >>> round(mcnemar([1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]), 3)
    0.031
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise DataError(
            f"Shapes {a.shape} and {b.shape} aren't those of two answers to the same samples.",
            mend="Give one truth value per sample, in the same order.",
        )
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b).pvalue)


@dataclass(frozen=True)
class PairedDifference:
    """How much better one read-out is than another.

    Parameters
    ----------
    difference
        Rate of the first less rate of the second.
    interval
        Its 95 % interval.
    p_value
        Two-sided; at least 1 / (draws + 1).
    """

    difference: float
    interval: Interval
    p_value: float


def paired_difference(
    y_true: Sequence[Any],
    pred_a: Sequence[Any],
    pred_b: Sequence[Any],
    *,
    classes: Sequence[Any],
    groups: Sequence[Any] | None = None,
    rate: Rate = "balanced_accuracy",
    seed: int = 0,
) -> PairedDifference:
    """Bootstrap the difference between two read-outs, both always on the same draw of samples.

    Parameters
    ----------
    y_true, pred_a, pred_b
        N right labels, and N of each read-out.
    classes, groups
        As for :func:`~superneurons.evaluate.metrics.score`.
    rate
        What to compare.
    seed
        Of the bootstrap.

    Raises
    ------
    DataError
        As :func:`~superneurons.evaluate.metrics.score` does; an unknown rate.

    Examples
    --------
    >>> y = ["no", "yes"] * 50
    >>> better = paired_difference(y, y, ["no"] * 100, classes=["no", "yes"])
    >>> better.difference, better.p_value < 0.01
    (0.5, True)
    """
    if rate not in _RATES:
        raise DataError(f"Unknown rate {rate!r}.", mend=f"Use one of {', '.join(_RATES)}.")
    counts_a, counts_b = (
        answer_counts(y_true, pred, classes=classes, groups=groups) for pred in (pred_a, pred_b)
    )
    width = counts_a.shape[1]
    both = np.concatenate([counts_a, counts_b], axis=1)
    codes = counts_a[:, : len(classes)].argmax(axis=1)
    units, strata = bootstrap_units(both, codes, groups)
    draws = resampled_counts(units, strata, n_draws=N_DRAWS, seed=seed)
    totals = np.concatenate([both.sum(axis=0, keepdims=True), draws])
    which = _RATES.index(rate)
    differences = rates(totals[:, :width])[which] - rates(totals[:, width:])[which]
    # Rounded, so that equal rates summed in another order don't count as a difference.
    drawn = np.round(differences[1:], 12)
    tail = min(np.sum(drawn <= 0), np.sum(drawn >= 0))
    p_value = min(1.0, 2 * (float(tail) + 1) / (len(drawn) + 1))
    return PairedDifference(float(differences[0]), percentiles(drawn), p_value)
