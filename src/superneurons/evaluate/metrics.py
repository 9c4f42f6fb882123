"""How good answers are: always accuracy, balanced accuracy and F1 together, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from superneurons.errors import DataError, Problem
from superneurons.evaluate.calibration import brier_score, expected_calibration_error
from superneurons.evaluate.intervals import Interval, percentiles, resampled_counts, wilson

__all__ = [
    "N_DRAWS",
    "Scores",
    "answer_counts",
    "bootstrap_units",
    "mean_recall",
    "rates",
    "score",
]

N_DRAWS = 1000


@dataclass(frozen=True)
class Scores:
    """How good the answers to N questions are. All values are shares, from 0 to 1.

    Parameters
    ----------
    n
        N.
    accuracy, accuracy_interval
        Share of right answers. Interval: Wilson's, or a bootstrap over groups.
    balanced_accuracy, balanced_accuracy_interval
        Mean of the recalls of the classes that occur. Interval: bootstrap within classes, or
        over groups.
    f1, f1_interval
        F1 of the second class when there are two, else the mean over the classes that occur.
        Interval: as for balanced accuracy.
    majority
        Accuracy of always giving the most frequent answer.
    recall
        Recall of each class that occurs.
    ece
        Expected calibration error; ``None`` without probabilities.
    brier
        Brier score; ``None`` without probabilities.

    Notes
    -----
    All intervals are at 95 %.
    """

    n: int
    accuracy: float
    accuracy_interval: Interval
    balanced_accuracy: float
    balanced_accuracy_interval: Interval
    f1: float
    f1_interval: Interval
    majority: float
    recall: Mapping[str, float]
    ece: float | None = None
    brier: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        values = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def score(
    y_true: Sequence[Any],
    y_pred: Sequence[Any],
    *,
    classes: Sequence[Any],
    probabilities: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
) -> Scores:
    """Score answers.

    Parameters
    ----------
    y_true
        N right labels, all among ``classes``.
    y_pred
        N given labels; one that isn't among ``classes`` is wrong.
    classes
        The labels; with two, the second is the positive one.
    probabilities
        Shape (N, C), in the order of ``classes``.
    groups, seed
        N names of what isn't independent, such as the picture asked about; for the bootstrap.

    Raises
    ------
    DataError
        Nothing to score, lengths that differ, unknown right labels, or bad probabilities.

    Examples
    --------
    >>> scores = score(["no", "no", "yes", "yes"], ["no", "yes", "yes", "?"], classes=["no", "yes"])
    >>> scores.accuracy, scores.f1
    (0.5, 0.5)
    """
    n_classes = len(classes)
    counts = answer_counts(y_true, y_pred, classes=classes, groups=groups)
    codes = counts[:, :n_classes].argmax(axis=1)
    p = None if probabilities is None else _checked_probabilities(probabilities, codes, n_classes)
    units, strata = bootstrap_units(counts, codes, groups)
    draws = rates(resampled_counts(units, strata, n_draws=N_DRAWS, seed=seed))
    (accuracy,), (balanced,), (f1,) = rates(counts.sum(axis=0, keepdims=True))
    actual, right = counts.sum(axis=0).reshape(3, n_classes)[:2]
    independent = len(units) == len(counts)
    interval = wilson(int(right.sum()), len(codes)) if independent else percentiles(draws[0])
    return Scores(
        n=len(codes),
        accuracy=float(accuracy),
        accuracy_interval=interval,
        balanced_accuracy=float(balanced),
        balanced_accuracy_interval=percentiles(draws[1]),
        f1=float(f1),
        f1_interval=percentiles(draws[2]),
        majority=float(actual.max() / len(codes)),
        recall={
            str(label): float(right[c] / actual[c]) for c, label in enumerate(classes) if actual[c]
        },
        ece=None if p is None else expected_calibration_error(p, codes),
        brier=None if p is None else brier_score(p, codes),
    )


def answer_counts(
    y_true: Sequence[Any],
    y_pred: Sequence[Any],
    *,
    classes: Sequence[Any],
    groups: Sequence[Any] | None = None,
) -> NDArray[np.int64]:
    """What each answer adds to the counts that :func:`rates` needs.

    Parameters and errors are those of :func:`score`.

    Returns
    -------
    ndarray of shape (N, 3 * C), int64
        One-hot, side by side: the right class; the right class where it was given; the class
        given (none where the answer isn't among the classes).
    """
    index = {label: i for i, label in enumerate(classes)}
    _check_labels(y_true, y_pred, groups, index)
    one_hot = np.eye(len(classes) + 1, len(classes), dtype=np.int64)
    actual = one_hot[[index[label] for label in y_true]]
    claimed = one_hot[[index.get(label, len(classes)) for label in y_pred]]
    return np.concatenate([actual, actual * claimed, claimed], axis=1)


def rates(
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Accuracy, balanced accuracy and F1 from sums of :func:`answer_counts`.

    Parameters
    ----------
    counts
        Shape (B, 3 * C): B sums.

    Returns
    -------
    tuple of three ndarrays of shape (B,), float64
    """
    actual, right, claimed = np.split(counts, 3, axis=1)
    occurs = actual > 0
    recalls = right / np.maximum(actual, 1)
    f1s = 2 * right / np.maximum(actual + claimed, 1)
    n_occurring = occurs.sum(axis=1)
    return (
        right.sum(axis=1) / actual.sum(axis=1),
        recalls.sum(axis=1) / n_occurring,
        f1s[:, 1] if actual.shape[1] == 2 else (f1s * occurs).sum(axis=1) / n_occurring,
    )


def bootstrap_units(
    counts: NDArray[np.int64], codes: NDArray[np.int64], groups: Sequence[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Units of a bootstrap and their strata: samples within classes, or whole groups.

    Parameters
    ----------
    counts
        What each sample adds to K counts, shape (N, K).
    codes
        Index of each sample's class, shape (N,).
    groups
        N names, or ``None``; groups of one sample each are no groups.
    """
    if groups is not None:
        names, of_sample = np.unique(np.asarray([str(g) for g in groups]), return_inverse=True)
        if len(names) < len(counts):
            units = np.zeros((len(names), counts.shape[1]), dtype=np.int64)
            np.add.at(units, of_sample, counts)
            return units, np.zeros(len(names), dtype=np.int64)
    return counts, codes


def _check_labels(
    y_true: Sequence[Any],
    y_pred: Sequence[Any],
    groups: Sequence[Any] | None,
    index: Mapping[Any, int],
) -> None:
    lengths = {"y_true": len(y_true), "y_pred": len(y_pred)}
    if groups is not None:
        lengths["groups"] = len(groups)
    if len(y_true) == 0 or len(set(lengths.values())) > 1:
        raise DataError(
            f"Need as many of each, and at least one; got {lengths}.",
            mend="Give one right label, one given label and one group for each sample.",
        )
    problems = [
        Problem(f"sample {i}", f"{label!r} isn't among the classes")
        for i, label in enumerate(y_true)
        if label not in index
    ]
    if problems:
        raise DataError(
            "Some right labels aren't among the classes.",
            problems=problems,
            mend=f"Classes: {', '.join(map(repr, index))}.",
        )


def _checked_probabilities(
    probabilities: ArrayLike, codes: NDArray[np.int64], n_classes: int
) -> NDArray[np.float64]:
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape != (len(codes), n_classes) or not ((p >= 0) & (p <= 1)).all():
        raise DataError(
            f"Probabilities of shape {p.shape} for {len(codes)} samples and {n_classes} classes, "
            "or out of range.",
            mend="Give one row for each sample, one column for each class, from 0 to 1.",
        )
    return p


def mean_recall(truth: ArrayLike, given: ArrayLike) -> float:
    """Balanced accuracy alone, without intervals: the mean recall of the labels that occur.

    Examples
    --------
    >>> mean_recall(["a", "a", "a", "b"], ["a", "a", "b", "b"])
    0.8333333333333333
    """
    labels, right = np.asarray(truth), np.asarray(truth) == np.asarray(given)
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
