"""Whether probabilities mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["brier_score", "expected_calibration_error", "reliability"]

_BINS = 15


def reliability(
    probabilities: NDArray[np.float64], codes: NDArray[np.int64], *, n_bins: int = _BINS
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Sort answers into bins of equal width by their confidence, the largest probability.

    Parameters
    ----------
    probabilities, codes, n_bins
        As for :func:`expected_calibration_error`.

    Returns
    -------
    edges : ndarray of shape (B + 1,), float64
        From 0 to 1; an answer at an edge is in the bin above.
    counts : ndarray of shape (B,), int64
        Answers in each bin.
    confidence, accuracy : ndarray of shape (B,), float64
        Their means; 0 where there are none.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == codes
    bins = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    mean_confidence, mean_accuracy = (
        np.bincount(bins, weights=values, minlength=n_bins) / np.maximum(counts, 1)
        for values in (confidence, right)
    )
    return np.linspace(0, 1, n_bins + 1), counts, mean_confidence, mean_accuracy


def expected_calibration_error(
    probabilities: NDArray[np.float64], codes: NDArray[np.int64], *, n_bins: int = _BINS
) -> float:
    """Compare confidence with accuracy, in bins of equal width.

    Parameters
    ----------
    probabilities
        Shape (N, C).
    codes
        Index of the right class, shape (N,).
    n_bins
        Bins of the confidence, the largest probability, from 0 to 1.

    Returns
    -------
    float
        ``Σ_b (n_b / N) |accuracy_b - confidence_b|``, between 0 and 1. Biased upwards when
        samples are few: a perfect classifier's isn't 0.

    Notes
    -----
    Naeini et al. 2015; Guo et al. 2017, "On Calibration of Modern Neural Networks", Eq. 3.

    Examples
    --------
    >>> p = np.array([[0.2, 0.8], [0.2, 0.8]])
    >>> round(expected_calibration_error(p, np.array([1, 0])), 3)
    0.3
    """
    _, counts, confidence, accuracy = reliability(probabilities, codes, n_bins=n_bins)
    return float(counts @ np.abs(accuracy - confidence) / len(codes))


def brier_score(probabilities: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Mean squared error of the probabilities.

    Two classes: ``mean((p₁ - y)²)``, from 0 to 1. More: ``mean(Σ_c (p_c - [y = c])²)``, from 0
    to 2. These are the conventions of scikit-learn.

    Parameters
    ----------
    probabilities
        Shape (N, C).
    codes
        Index of the right class, shape (N,).
    """
    truth = np.eye(probabilities.shape[1])[codes]
    errors = np.square(probabilities - truth)
    return float((errors[:, 1] if errors.shape[1] == 2 else errors.sum(axis=1)).mean())
