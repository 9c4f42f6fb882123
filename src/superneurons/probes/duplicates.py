"""Samples that are the same to every neuron, and yet have different labels."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.task.labels import DataWarning

__all__ = ["contradictions", "warn_of_contradictions"]

# A few rounded numbers coincide by chance: 3000 samples on 3 columns of bfloat16 do.
_LEAST_COLUMNS = 4
_COLUMNS_AT_ONCE = 4096
_MOST_NAMED = 6


def contradictions(X: NDArray[Any], codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Find samples with identical rows but different labels.

    Parameters
    ----------
    X
        Activations of shape (N, P), floating and finite. Hardly more than the first few thousand
        columns are read, unless there are identical rows.
    codes
        Index of each sample's class, shape (N,).

    Returns
    -------
    list of ndarray of int64
        For each row that contradicts itself the samples that have it, ascending.

    Examples
    --------
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [3.0, 4.0]])
    >>> contradictions(X, np.array([0, 1, 1, 1]))
    [array([0, 2])]
    """
    alike = [np.arange(len(codes))]
    for start in range(0, X.shape[1], _COLUMNS_AT_ONCE):
        columns = slice(start, start + _COLUMNS_AT_ONCE)
        alike = [
            twins
            for samples in alike
            for twins in _alike(X[samples, columns], samples)
            if (codes[twins] != codes[twins[0]]).any()
        ]
        if not alike:
            break
    return sorted(alike, key=lambda twins: int(twins[0]))


def _alike(block: NDArray[Any], samples: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    # Bits are compared several times as fast as floats of 16 bits.
    bits = block.view(f"i{block.itemsize}")
    if (bits == bits[:1]).all():
        return [samples]
    # + 0 makes -0.0 and 0.0 one value, as they are for every comparison.
    rows = np.ascontiguousarray(block) + block.dtype.type(0)
    found: dict[bytes, list[int]] = {}
    for sample, row in zip(samples.tolist(), rows, strict=True):
        found.setdefault(row.tobytes(), []).append(sample)
    return [np.array(twins, np.int64) for twins in found.values()]


def warn_of_contradictions(X: NDArray[Any], codes: NDArray[np.int64]) -> None:
    """Warn of :func:`contradictions`, from within the ``fit`` of a read-out.

    Warns
    -----
    DataWarning
        With the number of samples concerned and the first of them. Fewer than four columns say
        nothing: rounded numbers coincide.
    """
    if X.shape[1] < _LEAST_COLUMNS:
        return
    found = contradictions(X, codes)
    if not found:
        return
    n = sum(map(len, found))
    samples = np.concatenate(found)[:_MOST_NAMED].tolist()
    named = ", ".join(map(str, samples)) + (" …" if n > _MOST_NAMED else "")
    warnings.warn(
        f"{n} of {len(codes)} samples have the same activations as a sample with another label: "
        f"{named}. Correct their labels, or keep one of each.",
        DataWarning,
        # warn_of_contradictions, check_training, fit: whoever called that.
        stacklevel=4,
    )
