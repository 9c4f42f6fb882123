"""How well each single neuron answers: the paper's sign rule, for all neurons in one pass."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from superneurons.errors import DataError
from superneurons.probes.arrays import Activations, as_tensor, check_finite

__all__ = ["Metric", "neuron_scores", "scores_from_counts", "sign_counts"]

Metric: TypeAlias = Literal["accuracy", "f1"]

# Blocks of this many columns stay in the cache of one core from comparison to product.
CHUNK = 2048


def sign_counts(
    X: Activations, weights: ArrayLike, *, threshold: float = 0.0, chunk: int = CHUNK
) -> NDArray[np.float64]:
    """Count, for each neuron, the weight of the samples it fires on.

    Parameters
    ----------
    X
        Activations of shape (N, P); float16, float32 or float64. Not checked for NaN.
    weights
        Shape (S, N): S ways to weigh the samples, such as "is positive" and "is negative".
        Whole numbers below 2²⁴ in sum are counted exactly.
    threshold
        A neuron fires where its activation is above this.
    chunk
        Columns at once; memory above the input is about ``6 * N * chunk`` bytes.

    Returns
    -------
    ndarray of shape (S, P), float64
        ``weights @ (X > threshold)``.
    """
    tensor = as_tensor(X)
    factor = torch.as_tensor(np.asarray(weights, dtype=np.float32), device=tensor.device)
    cut = _rounded_down(threshold, tensor.dtype)
    counts = np.empty((factor.shape[0], tensor.shape[1]))
    for start in range(0, tensor.shape[1], chunk):
        fires = tensor[:, start : start + chunk] > cut
        counts[:, start : start + chunk] = (factor @ fires.float()).cpu().numpy()
    return counts


def _rounded_down(threshold: float, dtype: torch.dtype) -> float:
    # torch rounds the threshold to the dtype of the activations. Rounded up it would lose
    # activations between the two; rounded down it decides as real numbers do.
    rounded = torch.tensor(threshold, dtype=dtype)
    if rounded.item() > threshold:
        rounded = torch.nextafter(rounded, torch.tensor(-torch.inf, dtype=dtype))
    return float(rounded.item())


def scores_from_counts(
    true_positives: NDArray[np.float64],
    false_positives: NDArray[np.float64],
    n_positive: int,
    n_negative: int,
    metric: Metric,
) -> NDArray[np.float64]:
    """Accuracy or F1 from the counts of firing samples; F1 is 0 where it is 0 / 0."""
    if metric == "accuracy":
        return (true_positives + n_negative - false_positives) / (n_positive + n_negative)
    if metric == "f1":
        predicted_and_actual = true_positives + false_positives + n_positive
        return 2 * true_positives / np.maximum(predicted_and_actual, 1)
    raise DataError(f"Unknown metric {metric!r}.", mend="Use 'accuracy' or 'f1'.")


def neuron_scores(
    X: Activations,
    y: ArrayLike,
    metric: Metric = "accuracy",
    *,
    threshold: float = 0.0,
    chunk: int = CHUNK,
) -> NDArray[np.float64]:
    """Score each neuron as a classifier of its own: "yes" where its activation is above threshold.

    Parameters
    ----------
    X
        Activations of shape (N, P); float16, float32 or float64; NumPy (memory-mapped too) or
        a tensor on any device.
    y
        Shape (N,): true where the answer is the positive one.
    metric
        "accuracy", or "f1" of the positive class.
    threshold
        α of the paper, which uses 0 throughout.
    chunk
        Columns at once.

    Returns
    -------
    ndarray of shape (P,), float64
        Between 0 and 1.

    Raises
    ------
    DataError
        NaN or infinity (with sample and column), wrong shapes, an unknown metric.

    Notes
    -----
    "Taking Shortcuts for Categorical VQA Using Super Neurons" (arXiv 2603.10781), §3.2.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, -1.0], [2.0, 3.0], [-1.0, 5.0], [-2.0, -4.0]])
    >>> neuron_scores(X, [True, True, False, False]).tolist()
    [1.0, 0.5]
    """
    positive = np.asarray(y)
    if X.ndim != 2 or positive.shape != (X.shape[0],) or not np.isin(positive, (0, 1)).all():
        raise DataError(
            f"X of shape {tuple(X.shape)} and y of shape {positive.shape} don't belong together, "
            "or y isn't true and false.",
            mend="Give X of shape (N, P) and y of shape (N,), true where the answer is positive.",
        )
    check_finite(X)
    positive = positive.astype(bool)
    fired = sign_counts(X, np.stack([positive, ~positive]), threshold=threshold, chunk=chunk)
    n_positive = int(positive.sum())
    return scores_from_counts(fired[0], fired[1], n_positive, len(positive) - n_positive, metric)
