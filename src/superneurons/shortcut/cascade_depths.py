"""Where a cascade may stop when nobody says it: from how much each number of layers knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from superneurons.probes.depth import depth_scores, shallowest
from superneurons.probes.ridge import targets
from superneurons.probes.soft_votes import SoftVotes
from superneurons.probes.splits import canonical_order, folds

__all__ = ["depth_profile", "stage_layers"]

_FOLDS = 5
_CLEARLY = 3.0
_TOLERANCE = 0.01


def depth_profile(
    activations: NDArray[Any], y: NDArray[np.str_], groups: NDArray[np.int64], *, seed: int
) -> NDArray[np.float64]:
    """Cross-validate what the first 1, 2, … layers know.

    Parameters
    ----------
    activations
        Shape (N, L, W).
    y, groups
        Labels and groups, shape (N,).
    seed
        Of the folds.

    Returns
    -------
    ndarray of shape (L,), float64
        Balanced accuracy; see :func:`superneurons.probes.depth.depth_scores`.

    Raises
    ------
    DataError
        When a class is in fewer than 2 groups.
    """
    classes, codes = np.unique(y, return_inverse=True)
    X = activations.reshape(len(activations), -1)
    fold = folds(X, codes, groups, n_folds=_FOLDS, seed=seed, classes=classes)
    order = canonical_order(X, codes, seed=seed, fold=fold)
    codes, fold = codes[order], fold[order]
    Y, votes = targets(codes, len(classes)), SoftVotes.of(X, order)
    with threadpool_limits(1, user_api="blas"):
        return depth_scores(votes, Y, codes, fold, activations.shape[2])


def stage_layers(profile: NDArray[np.float64], y: NDArray[np.str_]) -> tuple[int, ...]:
    """Choose up to three layers to stop at, from a profile of shape (L,).

    The shallowest that is clearly better than chance (by three standard errors of guessing), the
    shallowest that is within a point of the best, and all of them.

    Examples
    --------
    >>> profile = np.array([0.5, 0.7, 0.8, 0.95, 0.955, 0.94])
    >>> stage_layers(profile, np.repeat(["no", "yes"], 100))
    (2, 4, 6)
    """
    _, counts = np.unique(y, return_counts=True)
    chance = 1 / len(counts)
    guessing = float(np.sqrt(np.sum(chance * (1 - chance) / counts))) / len(counts)
    layers = {len(profile), shallowest(profile, _TOLERANCE)}
    clear = profile >= chance + _CLEARLY * guessing
    if not clear.any():
        return (len(profile),)
    return tuple(sorted(layers | {int(np.argmax(clear)) + 1}))
