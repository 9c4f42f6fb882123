"""From decision values to probabilities, with as few parameters as will do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

__all__ = ["binary_probabilities", "fit_scale"]

# Wide enough for any activation's unit; away from 0 so that probabilities keep the decision's side.
_LOG_SCALES = (np.log(1e-6), np.log(1e6))


def fit_scale(decision: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Find the scale ``a > 0`` for which ``sigmoid(a * decision)`` is the likeliest.

    One parameter, so decisions stay what they are. The targets are Platt's (1999),
    ``(n₊ + 1) / (n₊ + 2)`` and ``1 / (n₋ + 2)``, which keep the scale finite when the classes
    separate perfectly.

    Parameters
    ----------
    decision
        Decision values of shape (N,), on samples that chose nothing else.
    positive
        Shape (N,).

    Examples
    --------
    >>> decision = np.array([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -1.0])
    >>> positive = np.array([False, False, False, True, True, True, False, True])
    >>> round(fit_scale(decision, positive), 2)
    0.69
    """
    # In one order, so that rounding can't make the result depend on the order of the samples.
    order = np.lexsort((positive, decision))
    decision, positive = decision[order], positive[order]
    n_positive = int(positive.sum())
    target = np.where(
        positive, (n_positive + 1) / (n_positive + 2), 1 / (len(positive) - n_positive + 2)
    )

    def loss(log_scale: float) -> float:
        z = np.exp(log_scale) * decision
        return float(np.mean(np.logaddexp(0, z) - target * z))

    found = minimize_scalar(loss, bounds=_LOG_SCALES, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def binary_probabilities(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of shape (N, 2) from log-odds of the second class, shape (N,)."""
    return np.stack([expit(-z), expit(z)], axis=1)
