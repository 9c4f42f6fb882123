"""How well the best of many neurons does when there is nothing to find."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score

from superneurons.errors import DataError
from superneurons.probes.arrays import Activations, as_tensor, check_finite
from superneurons.probes.base import ReadOut
from superneurons.probes.scores import Metric, scores_from_counts, sign_counts

__all__ = ["chance_maximum", "random_neurons", "shuffled_labels", "shuffled_maximum"]

# Counts of all shuffles for this many neurons are held at once: 200 of them take 26 MB.
_COLUMNS_AT_ONCE = 16_384


def chance_maximum(n: int, p: int) -> float:
    """Guess the best accuracy among ``p`` neurons that toss coins on ``n`` balanced samples.

    The median of the maximum of ``p`` independent shares. Neurons are correlated, so this is an
    upper guide; :func:`shuffled_maximum` measures.

    Parameters
    ----------
    n
        Samples.
    p
        Neurons.

    Examples
    --------
    >>> [round(chance_maximum(n, 131_072), 2) for n in (100, 942, 3000)]
    [0.72, 0.57, 0.54]
    """
    # P(max <= k) = F(k)^p = 1/2, with 1 - F(k) written so that it survives large p.
    return float(binom.isf(-np.expm1(np.log(0.5) / p), n, 0.5) / n)


def shuffled_labels(
    y: ArrayLike, *, n_shuffles: int, groups: Any = None, seed: int = 0
) -> NDArray[np.bool_]:
    """Shuffle labels as often as asked, keeping what groups make alike.

    Without groups the labels change places. With groups, groups of the same size exchange their
    labels as a whole, and within each group the labels change places: so the number of positives
    per group keeps its distribution, and the null isn't too easy to beat.

    Parameters
    ----------
    y
        True where positive, shape (N,).
    n_shuffles
        S.
    groups
        Shape (N,), or ``None``.
    seed
        Another seed shuffles otherwise.

    Returns
    -------
    ndarray of shape (S, N), bool
    """
    positive = np.asarray(y).astype(bool)
    rng = np.random.default_rng(seed)
    if groups is None:
        return rng.permuted(np.tile(positive, (n_shuffles, 1)), axis=1)
    names = np.asarray([str(group) for group in groups])
    _, of_sample, sizes = np.unique(names, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(of_sample, kind="stable"), sizes.cumsum()[:-1])
    shuffled = np.empty((n_shuffles, len(positive)), dtype=bool)
    for size in np.unique(sizes):
        blocks = np.stack([row for row in rows if len(row) == size])
        labels = np.tile(positive[blocks], (n_shuffles, 1, 1))
        exchanged = np.take_along_axis(
            labels, rng.random(labels.shape[:2]).argsort(axis=1)[..., None], axis=1
        )
        shuffled[:, blocks] = rng.permuted(exchanged, axis=2)
    return shuffled


def shuffled_maximum(
    X: Activations,
    y: ArrayLike,
    n_shuffles: int = 200,
    *,
    groups: Any = None,
    seed: int = 0,
    metric: Metric = "accuracy",
) -> NDArray[np.float64]:
    """Score the best neuron of the sign rule under shuffled labels.

    Neurons fire as they do; only the labels change. So all shuffles together are one matrix
    product, and correlations between neurons are as they are.

    Parameters
    ----------
    X
        Activations of shape (N, P), as for :func:`~superneurons.probes.scores.neuron_scores`.
    y
        True where the answer is positive, shape (N,).
    n_shuffles
        S.
    groups
        See :func:`shuffled_labels`.
    seed
        Of the shuffles.
    metric
        Score of a neuron.

    Returns
    -------
    ndarray of shape (S,), float64
        For each shuffle the *maximum* over all neurons. A best score that doesn't exceed their
        95th percentile is no evidence.

    Raises
    ------
    DataError
        NaN or infinity, shapes that differ, no shuffles.
    """
    positive = np.asarray(y).astype(bool)
    if X.ndim != 2 or positive.shape != (X.shape[0],) or n_shuffles < 1:
        raise DataError(
            f"X of shape {tuple(X.shape)}, y of shape {positive.shape}, {n_shuffles} shuffles.",
            mend="Give X of shape (N, P), y of shape (N,), and at least one shuffle.",
        )
    check_finite(X)
    shuffled = shuffled_labels(positive, n_shuffles=n_shuffles, groups=groups, seed=seed)
    ways = np.concatenate([shuffled, np.ones((1, len(positive)), dtype=bool)])
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    tensor, best = as_tensor(X), np.zeros(n_shuffles)
    for start in range(0, tensor.shape[1], _COLUMNS_AT_ONCE):
        fired = sign_counts(tensor[:, start : start + _COLUMNS_AT_ONCE], ways)
        hits, fired = fired[:-1], fired[-1]
        scores = scores_from_counts(hits, fired - hits, n_positive, n_negative, metric)
        best = np.maximum(best, scores.max(axis=1))
    return best


def random_neurons(
    read_out: ReadOut,
    train: tuple[NDArray[Any], ArrayLike],
    test: tuple[NDArray[Any], ArrayLike],
    *,
    n_neurons: int,
    groups: Any = None,
    n_draws: int = 10,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Score a read-out on neurons drawn at random, as many as it chose: the control of choosing.

    If any neurons do as well, nothing was found.

    Parameters
    ----------
    read_out
        Of any kind; a clone is fitted.
    train, test
        Activations of shape (N, P) and labels of shape (N,).
    n_neurons
        How many are drawn, without replacement.
    groups
        Of the training samples.
    n_draws
        B.
    seed
        Of the draws.

    Returns
    -------
    ndarray of shape (B,), float64
        Balanced accuracy on the test samples.

    Raises
    ------
    DataError
        More neurons than there are, or none; otherwise as ``read_out`` does.
    """
    (X, y), (X_test, y_test) = train, test
    if not 1 <= n_neurons <= X.shape[1]:
        raise DataError(
            f"{n_neurons} neurons can't be drawn from {X.shape[1]}.",
            mend="Draw as many as the fitted read-out has in neurons_.",
        )
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_draws):
        columns = np.sort(rng.choice(X.shape[1], size=n_neurons, replace=False))
        fitted = clone(read_out).fit(X[:, columns], y, groups)
        found.append(balanced_accuracy_score(y_test, fitted.predict(X_test[:, columns])))
    return np.array(found)
