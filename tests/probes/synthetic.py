"""Activations with a known answer in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["planted"]


def planted(
    n: int = 200,
    p: int = 60,
    *,
    classes: int = 2,
    informative: int = 5,
    strength: float = 1.5,
    dtype: Any = np.float32,
    seed: int = 0,
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Noise in which the first ``informative`` columns are shifted by class, and the classes."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    X = rng.normal(size=(n, p))
    informative = min(informative, p)
    if classes == 2:
        shifts = np.full((2, informative), strength) * [[-1], [1]]
    else:
        # Another seed is another sample of the same task.
        shifts = strength * np.random.default_rng(7).normal(size=(classes, informative))
    X[:, :informative] += shifts[y]
    return X.astype(dtype), y
