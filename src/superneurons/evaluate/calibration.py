"""Whether probabilities mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["brier_score", "expected_calibration_error"]


def expected_calibration_error(
    probabilities: NDArray[np.float64], codes: NDArray[np.int64], *, n_bins: int = 15
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
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == codes
    bins = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(codes))


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
