"""Figures of binary questions as the paper prints them, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superneurons.evaluate.intervals import Interval, percentiles, resampled_counts
from superneurons.evaluate.metrics import N_DRAWS, Scores, answer_counts, bootstrap_units, score

__all__ = ["Figure", "Figures", "Whole", "figures_of", "whole_of"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A share from 0 to 1, and its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Figures:
    """How good the answers to N binary questions are.

    Parameters
    ----------
    n, positives
        N, and how many have the positive answer.
    accuracy, balanced_accuracy, f1
        As :func:`superneurons.evaluate.metrics.score` gives them.
    precision, recall
        Of the positive answer. Precision is 0 where it is never given. Intervals: bootstrap within
        classes, or over groups.
    """

    n: int
    positives: int
    accuracy: Figure
    balanced_accuracy: Figure
    precision: Figure
    recall: Figure
    f1: Figure


@dataclass(frozen=True, slots=True)
class Whole:
    """How good answers to N whole questions are, each one of several options.

    Parameters
    ----------
    n
        N.
    accuracy, balanced_accuracy
        Where options differ from question to question, of the option's place among them.
    """

    n: int
    accuracy: Figure
    balanced_accuracy: Figure


def figures_of(
    truth: Sequence[str],
    given: Sequence[str],
    *,
    classes: tuple[str, str],
    groups: Sequence[int],
    seed: int = 0,
) -> Figures:
    """Score answers to binary questions.

    Parameters
    ----------
    truth, given
        N right labels and N given ones; one that is no class is wrong.
    classes
        The second is the positive one.
    groups
        N numbers of what isn't independent.
    seed
        Of the bootstrap.

    Raises
    ------
    DataError
        As :func:`superneurons.evaluate.metrics.score`.

    Examples
    --------
    >>> found = figures_of(list("nnyy"), list("nyyy"), classes=("n", "y"), groups=range(4))
    >>> round(found.precision.value, 3), found.recall.value, found.positives
    (0.667, 1.0, 2)
    """
    scores = score(truth, given, classes=classes, groups=list(groups), seed=seed)
    counts = answer_counts(truth, given, classes=classes, groups=list(groups))
    units, strata = bootstrap_units(counts, counts[:, :2].argmax(axis=1), list(groups))
    draws = _positive_rates(resampled_counts(units, strata, n_draws=N_DRAWS, seed=seed))
    precision, recall = (
        Figure(float(value[0]), percentiles(drawn))
        for value, drawn in zip(_positive_rates(counts.sum(axis=0)[None]), draws, strict=True)
    )
    positives = sum(label == classes[1] for label in truth)
    accuracy, balanced = _accuracies(scores)
    f1 = Figure(scores.f1, scores.f1_interval)
    return Figures(len(truth), positives, accuracy, balanced, precision, recall, f1)


def _positive_rates(
    sums: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall of the second class from sums (B, 6) of answer counts."""
    actual, right, claimed = sums[:, 1], sums[:, 3], sums[:, 5]
    return right / np.maximum(claimed, 1), right / np.maximum(actual, 1)


def _accuracies(scores: Scores) -> tuple[Figure, Figure]:
    return (
        Figure(scores.accuracy, scores.accuracy_interval),
        Figure(scores.balanced_accuracy, scores.balanced_accuracy_interval),
    )


def whole_of(scores: Scores) -> Whole:
    """Keep of the scores of whole questions what is shown of them."""
    return Whole(scores.n, *_accuracies(scores))
