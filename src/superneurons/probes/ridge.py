"""Ridge regression onto class targets, in closed form: the shrinkage discriminant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh

__all__ = ["RidgePath", "dual_weights", "gaussian_log_odds", "targets"]

_FLOOR = 1e-6


def targets(codes: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """What is regressed onto: -1 and 1, shape (N, 1), for two classes; else one-hot, (N, C)."""
    if n_classes == 2:
        return np.where(codes == 1, 1.0, -1.0)[:, None]
    return np.asarray(np.eye(n_classes)[codes])


def dual_weights(
    gram: NDArray[np.float64], Y: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    """Weights of the samples, shape (N, T), that solve ridge regression given their products.

    Parameters
    ----------
    gram
        Inner products of the N samples, shape (N, N).
    Y
        Targets of shape (N, T), centred here; the intercept isn't penalised.
    penalty
        In units of the mean squared length of a sample.
    """
    gram = gram - gram.mean(axis=0)
    gram = gram - gram.mean(axis=1, keepdims=True)
    # An idle gram (all neurons constant) still needs something to divide by.
    ridge = penalty * (np.trace(gram) / len(gram) or 1.0)
    factor = cho_factor(gram + ridge * np.eye(len(gram)), lower=True, check_finite=False)
    return np.asarray(cho_solve(factor, Y - Y.mean(axis=0), check_finite=False))


@dataclass(frozen=True)
class RidgePath:
    """Ridge regression of T targets on K features, for any penalty after one decomposition.

    Parameters
    ----------
    basis
        Shape (K, R): features as combinations of R orthogonal directions.
    energy
        Shape (R,): squared length of each direction.
    moments
        Shape (R, T): inner products of directions and targets.
    feature_mean, target_mean
        Shapes (K,) and (T,).
    n
        Samples.
    """

    basis: NDArray[np.float64]
    energy: NDArray[np.float64]
    moments: NDArray[np.float64]
    feature_mean: NDArray[np.float64]
    target_mean: NDArray[np.float64]
    n: int

    @classmethod
    def of(cls, A: NDArray[np.float64], Y: NDArray[np.float64]) -> Self:
        """Decompose features of shape (N, K) against targets of shape (N, T)."""
        feature_mean, target_mean = A.mean(axis=0), Y.mean(axis=0)
        A, Y = A - feature_mean, Y - target_mean
        if A.shape[1] <= A.shape[0]:
            energy, basis = eigh(A.T @ A, check_finite=False, driver="evd")
        else:
            energy, directions = eigh(A @ A.T, check_finite=False, driver="evd")
            kept = energy > energy[-1] * len(A) * np.finfo(np.float64).eps
            energy = energy[kept]
            basis = A.T @ (directions[:, kept] / np.sqrt(energy))
        return cls(
            basis, np.maximum(energy, 0), basis.T @ (A.T @ Y), feature_mean, target_mean, len(A)
        )

    def solve(self, penalty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients of shape (K, T) and intercepts of shape (T,).

        ``penalty`` is in units of the mean squared length of a sample.
        """
        ridge = penalty * (self.energy.sum() / self.n or 1.0)
        coefficients = self.basis @ (self.moments / (self.energy + ridge)[:, None])
        return coefficients, self.target_mean - self.feature_mean @ coefficients


def gaussian_log_odds(
    scores: NDArray[np.float64], codes: NDArray[np.int64], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn scores into log-odds: classes as Gaussians of one covariance.

    Parameters
    ----------
    scores
        Shape (N, T), of samples that had no part in making them.
    codes
        Index of the class, shape (N,).
    n_classes
        C.

    Returns
    -------
    A : ndarray of shape (T, 1) for two classes, else (T, C)
    b : ndarray of shape (1,) or (C,)
        Log-odds of the second class, or log-probabilities up to a constant: ``scores @ A + b``.
    """
    n = len(codes)
    counts = np.bincount(codes, minlength=n_classes)
    means = np.stack([scores[codes == c].mean(axis=0) for c in range(n_classes)])
    centred = scores - means[codes]
    # One sample's worth of the overall spread keeps perfect separation finite. Targets are of unit
    # size, so the floor only matters to scores that say nothing at all.
    spread = np.atleast_2d(np.cov(scores.T, bias=True))
    covariance = (centred.T @ centred + spread) / (n + 1) + _FLOOR * np.eye(scores.shape[1])
    A = np.linalg.solve(covariance, means.T)
    b = np.log(counts / n) - 0.5 * np.sum(means.T * A, axis=0)
    if n_classes == 2:
        return A[:, 1:] - A[:, :1], b[1:] - b[:1]
    return A, b
