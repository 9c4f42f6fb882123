"""What each neuron said in an answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.probes.base import ReadOut
from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.weights import neuron_weights

__all__ = ["favoured"]

_LEAST = 1e-300


def favoured(read_out: ReadOut, values: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return the class that each neuron speaks for in one answer, shape (K,).

    The paper's neurons speak for the second class above 0. Where the decision is a weighted sum,
    each neuron speaks for the class that it adds most to, beyond what it adds at the nearest point
    where the classes are equal (or at its mean, where the read-out keeps that). ``None`` for a
    read-out without weights, in which no neuron speaks for itself.

    Parameters
    ----------
    read_out
        A fitted one.
    values
        Activations of its K neurons, shape (K,).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.repeat(["no", "yes"], 30)
    >>> X[:, 0] += np.where(y == "yes", 3, -3)
    >>> X[:, 1] -= np.where(y == "yes", 3, -3)
    >>> from superneurons.probes.super_neurons import SuperNeurons
    >>> favoured(SuperNeurons().fit(X, y), np.array([5.0, 5.0])).tolist()
    [1, 0]
    """
    values = np.asarray(values, dtype=np.float64)
    if isinstance(read_out, PaperSuperNeurons):
        return (values > 0).astype(np.int64)
    weights = neuron_weights(read_out)
    if weights is None:
        return None
    return _for_each(_shares(read_out, weights, values))


def _shares(
    read_out: ReadOut, weights: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each neuron adds to each class (K, T)."""
    if isinstance(read_out, LogisticProbe):
        return np.asarray(weights * (values - read_out.mean_)[:, None])
    weights = weights - (weights.mean(axis=1, keepdims=True) if weights.shape[1] > 1 else 0)
    start = np.asarray(getattr(read_out, "intercept_", np.zeros(weights.shape[1])))
    start = start - (start.mean() if len(start) > 1 else 0)
    length = np.maximum((weights**2).sum(axis=0), _LEAST)
    # Of the points where a class is no better than the others, the nearest: shares then sum to the
    # decision.
    return np.asarray(weights * values[:, None] + weights**2 * (start / length))


def _for_each(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    if shares.shape[1] == 1:
        return (shares[:, 0] > 0).astype(np.int64)
    return np.asarray(shares.argmax(axis=1), dtype=np.int64)
