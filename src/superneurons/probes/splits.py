"""Splits of a probing set that part no group and don't depend on the order of the samples."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError, Problem

__all__ = ["canonical_order", "folds", "hold_out", "sample_keys"]

_FINGERPRINT_COLUMNS = 4096


def hold_out(
    X: NDArray[Any],
    codes: NDArray[np.int64],
    groups: Any,
    *,
    size: float,
    seed: int,
    classes: Any = None,
) -> NDArray[np.bool_]:
    """Choose the samples to hold out: stratified by class, groups kept whole.

    The draw is a hash of the seed and the group's name (without groups: the sample's own values),
    so the same samples in another order give the same split; without groups, the same columns in
    another order give another.

    Parameters
    ----------
    X
        Activations of shape (N, P).
    codes
        Index of each sample's class, shape (N,).
    groups
        Shape (N,), or ``None``: each sample its own group.
    size
        Share of the groups to hold out, between 0 and 1.
    seed
        Another seed draws another split.
    classes
        The labels behind ``codes``, for messages.

    Returns
    -------
    ndarray of shape (N,), bool
        True where held out. Both sides have every class.

    Raises
    ------
    DataError
        A class in fewer than 2 groups, or groups so mixed that one side would lose a class.
    """
    names, keys, counts = _groups(X, codes, groups, seed)
    has = counts > 0
    _check_enough(has, classes)
    chosen = np.zeros(len(keys), dtype=bool)
    for stratum in _strata(keys, counts):
        n = min(max(1, round(size * len(stratum))), len(stratum) - 1)
        chosen[stratum[((np.arange(n) + 0.5) * len(stratum) / max(n, 1)).astype(int)]] = True
    for c in np.flatnonzero(~has[chosen].any(axis=0)):
        chosen[np.lexsort((keys, ~has[:, c]))[0]] = True
    if not has[~chosen].any(axis=0).all():
        raise DataError(
            "The groups mix the classes so that no split has every class on both sides.",
            mend="Give more groups, or smaller ones.",
        )
    return chosen[names]


def folds(
    X: NDArray[Any],
    codes: NDArray[np.int64],
    groups: Any,
    *,
    n_folds: int,
    seed: int,
    classes: Any = None,
) -> NDArray[np.int64]:
    """Deal the samples out to folds: stratified by class, groups kept whole.

    Parameters and errors are those of :func:`hold_out`.

    Returns
    -------
    ndarray of shape (N,), int64
        Fold of each sample, from 0 on. ``n_folds`` of them; fewer where a class has fewer groups,
        and more where groups mix the classes so that one would be in a single fold: without any
        fold there is every class left to learn from.
    """
    names, keys, counts = _groups(X, codes, groups, seed)
    has = counts > 0
    _check_enough(has, classes)
    n_folds = min(n_folds, int(has.sum(axis=0).min()))
    dealt = np.empty(len(keys), dtype=np.int64)
    order = np.concatenate(_strata(keys, counts))
    dealt[order] = np.arange(len(order)) % n_folds
    for of_class in has.T:
        if len(set(dealt[of_class].tolist())) == 1:
            # To a fold of its own: so no other class comes to be in a single one.
            dealt[np.flatnonzero(of_class)[keys[of_class].argmax()]] = dealt.max() + 1
    return dealt[names]


def canonical_order(
    X: NDArray[Any],
    codes: NDArray[np.int64],
    *,
    seed: int = 0,
    fold: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Put samples in an order that hangs on their values alone.

    Sums are rounded by the order of their terms; in this one they come out the same however the
    samples were given.

    Parameters
    ----------
    X
        Activations of shape (N, P).
    codes
        Index of each sample's class, shape (N,).
    seed
        Another seed is another order.
    fold
        Shape (N,): puts samples with the same values in order; without it they stay as given.

    Returns
    -------
    ndarray of shape (N,), int64
        Indices of the samples.
    """
    keys = sample_keys(X, codes, seed)
    return np.lexsort((keys,) if fold is None else (fold, keys))


def sample_keys(X: NDArray[Any], codes: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Return a random-looking number for each sample, of its values and class alone.

    Parameters
    ----------
    X
        Shape (N, P), floating.
    codes
        Shape (N,).
    seed
        Another seed gives other numbers.

    Returns
    -------
    ndarray of shape (N,), uint64
    """
    # Equal fingerprints mean equal samples for all purposes here: which one goes where
    # changes nothing. A few thousand columns tell real activations apart.
    step = max(1, X.shape[1] // _FINGERPRINT_COLUMNS)
    # + 0.0 makes -0.0 and 0.0 one value, as they are for every comparison.
    rows = np.ascontiguousarray(X[:, ::step], dtype=np.float64) + 0.0
    labels = [row.tobytes() + code.tobytes() for row, code in zip(rows, codes, strict=True)]
    return np.array([_key(label, seed) for label in labels], dtype=np.uint64)


def _groups(
    X: NDArray[Any], codes: NDArray[np.int64], groups: Any, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Group of each sample (N,), a random-looking key per group (G,), its class counts (G, C)."""
    if groups is None:
        of_sample, keys = np.arange(len(codes)), sample_keys(X, codes, seed)
    else:
        names, of_sample = np.unique(np.asarray([str(g) for g in groups]), return_inverse=True)
        keys = np.array([_key(str(name).encode(), seed) for name in names], dtype=np.uint64)
    counts = np.zeros((len(keys), int(codes.max()) + 1), dtype=np.int64)
    np.add.at(counts, (of_sample, codes), 1)
    return of_sample, keys, counts


def _key(label: bytes, seed: int) -> int:
    digest = blake2b(label, digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "little")


def _check_enough(has: NDArray[np.bool_], classes: Any) -> None:
    n_groups = has.sum(axis=0)
    names = [
        f"number {c}" if classes is None else repr(str(classes[c])) for c in range(len(n_groups))
    ]
    problems = [
        Problem(f"class {names[c]}", f"in {n} group only") for c, n in enumerate(n_groups) if n < 2
    ]
    if problems:
        raise DataError(
            "Each class needs at least 2 groups of samples, one to learn from and one to check.",
            problems=problems,
            mend="Label more samples of this class, from other pictures.",
        )


def _strata(keys: NDArray[np.uint64], counts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Sort groups into strata by the rarest class they hold; within, by composition, then key."""
    has = counts > 0
    rarity = np.where(has, has.sum(axis=0), np.iinfo(np.int64).max)
    rarest = rarity.argmin(axis=1)
    order = np.lexsort((keys, *counts.T, rarest))
    return [order[rarest[order] == c] for c in np.unique(rarest)]
