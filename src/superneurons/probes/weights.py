"""What each neuron's vote weighs, whichever read-out counts it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.probes.base import ReadOut
from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.super_neurons import SuperNeurons

__all__ = ["neuron_weights", "signed_or_length"]


def neuron_weights(
    read_out: ReadOut, spread: NDArray[Any] | None = None
) -> NDArray[np.float64] | None:
    """Return what a fitted read-out's decision gains by each neuron.

    Parameters
    ----------
    read_out
        Reads K neurons.
    spread
        Standard deviation of each neuron, shape (K,): weights are then for one of these, and can be
        compared among neurons; else for one unit of activation.

    Returns
    -------
    ndarray of shape (K, T), float64, or None
        T is 1 for two classes (above 0: for the second), else the number of classes. All 1 where
        votes are counted; ``None`` for a read-out without weights, such as nearest neighbours.
    """
    per_unit = None
    if isinstance(read_out, PaperSuperNeurons):
        return np.ones((len(read_out.neurons_), 1))
    if isinstance(read_out, SuperNeurons):
        per_unit = read_out.coef_
    elif isinstance(read_out, LogisticProbe):
        per_unit = read_out.coef_ * read_out.per_unit_[:, None]
    if per_unit is None:
        return None
    factor = 1.0 if spread is None else np.asarray(spread, dtype=np.float64)[:, None]
    return np.asarray(per_unit * factor, dtype=np.float64)


def signed_or_length(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one number for each neuron, shape (K,): its signed weight, or the length of several.

    Examples
    --------
    >>> signed_or_length(np.array([[-2.0], [1.0]])).tolist()
    [-2.0, 1.0]
    >>> signed_or_length(np.array([[3.0, 4.0]])).tolist()
    [5.0]
    """
    if weights.shape[1] == 1:
        return np.asarray(weights[:, 0])
    return np.asarray(np.linalg.norm(weights, axis=1))
