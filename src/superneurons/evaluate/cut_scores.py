"""How well each neuron does alone, at its own best cut, and what that gives by chance."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.evaluate.null import shuffled_labels
from superneurons.probes.thresholds import best_cuts

__all__ = ["cut_scores", "shuffled_cut_maximum"]

# Running sums of this many neurons, for all shuffles, stay in a core's own cache.
_COLUMNS_AT_ONCE = 256


def cut_scores(states: NDArray[Any], codes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Score each neuron alone, with its own best direction and threshold.

    Parameters
    ----------
    states
        Activations of shape (N, L, W), float16 or float32; taken layer by layer.
    codes
        Class of each sample, shape (N,).

    Returns
    -------
    ndarray of shape (L, W), float32
        Balanced accuracy, on the samples that chose the cut; of more than two classes, of the best
        class against the rest.

    Raises
    ------
    DataError
        NaN or infinity, wrong shapes, one class only.
    """
    scores = np.zeros(states.shape[1:], dtype=np.float32)
    for layer in range(states.shape[1]):
        for positive in _questions(codes):
            found = best_cuts(states[:, layer], positive, "balanced_accuracy").scores
            scores[layer] = np.maximum(scores[layer], found)
    return scores


def shuffled_cut_maximum(
    states: NDArray[Any],
    codes: NDArray[np.int64],
    n_shuffles: int,
    *,
    groups: Any = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Score the best neuron at its own best cut under shuffled labels.

    A cut that is free to choose does well on labels that mean nothing, so that
    :func:`cut_scores` have to be seen beside this, and not beside what coins give.

    Parameters
    ----------
    states, codes
        As for :func:`cut_scores`.
    n_shuffles
        S.
    groups, seed
        As for :func:`~superneurons.evaluate.null.shuffled_labels`.

    Returns
    -------
    ndarray of shape (S,), float64
        For each shuffle the largest of :func:`cut_scores`.

    Raises
    ------
    DataError
        Shapes that differ, one class only, no shuffles.

    Notes
    -----
    The balanced accuracy at the best cut is ½ + D / 2, where D is the distance of Kolmogorov and
    Smirnov between both classes. An activation's order doesn't depend on the labels: it is sorted
    once, and running sums of all shuffles are taken side by side, in whole numbers.
    """
    if states.ndim != 3 or codes.shape != states.shape[:1] or n_shuffles < 1:
        raise DataError(
            f"Activations of shape {states.shape}, classes of shape {codes.shape}, {n_shuffles} "
            "shuffles.",
            mend="Give activations (N, L, W), classes (N,), and at least one shuffle.",
        )
    worth, most = _worths(codes, n_shuffles, groups, seed)
    best = np.zeros(worth.shape[1], dtype=worth.dtype)
    for columns in _blocks(states):
        np.maximum(best, _farthest(columns, worth), out=best)
    scores = 0.5 + best / (2 * most)
    return np.asarray(scores.reshape(-1, n_shuffles).max(axis=0))


def _questions(codes: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Each class against the rest; of two, the second against the first."""
    classes = np.unique(codes)
    if len(classes) < 2:
        raise DataError(
            f"All {len(codes)} samples have one class.", mend="Give samples of two classes or more."
        )
    return [codes == c for c in (classes[1:] if len(classes) == 2 else classes)]


def _worths(
    codes: NDArray[np.int64], n_shuffles: int, groups: Any, seed: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """What each sample adds to a running sum, shape (N, Q * S), and the most that one can reach."""
    parts, most = [], []
    for positive in _questions(codes):
        # The same seed deals every class of a shuffle alike.
        dealt = shuffled_labels(positive, n_shuffles=n_shuffles, groups=groups, seed=seed)
        n_positive, n_negative = int(positive.sum()), int((~positive).sum())
        unit = gcd(n_positive, n_negative)
        parts.append(np.where(dealt.T, n_negative // unit, -(n_positive // unit)))
        most += [n_positive * n_negative // unit] * n_shuffles
    fitting = np.min_scalar_type(-max(most) - 1)
    return np.concatenate(parts, axis=1).astype(fitting), np.array(most)


def _blocks(states: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Some neurons at a time, shape (neurons, N)."""
    for layer in range(states.shape[1]):
        for start in range(0, states.shape[2], _COLUMNS_AT_ONCE):
            block = states[:, layer, start : start + _COLUMNS_AT_ONCE]
            yield np.ascontiguousarray(block.T, dtype=np.float32)


def _farthest(columns: NDArray[Any], worth: NDArray[Any]) -> NDArray[Any]:
    """How far from 0 the running sum of any neuron gets at a cut, for each way, shape (ways,)."""
    order = columns.argsort(axis=1)
    values = np.take_along_axis(columns, order, axis=1)
    # No cut parts equal activations.
    parts = (values[:, 1:] != values[:, :-1]).astype(worth.dtype).T[:, :, None]
    order = np.ascontiguousarray(order.T)
    sums = np.zeros((len(columns), worth.shape[1]), dtype=worth.dtype)
    high, low, step = (np.zeros_like(sums) for _ in range(3))
    for sample, is_cut in zip(order, parts, strict=False):
        np.take(worth, sample, axis=0, out=step, mode="clip")
        sums += step
        np.multiply(sums, is_cut, out=step)
        np.maximum(high, step, out=high)
        np.minimum(low, step, out=low)
    return np.asarray(np.maximum(high.max(axis=0), -low.min(axis=0)))
