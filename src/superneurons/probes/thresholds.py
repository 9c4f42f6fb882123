"""The exact best threshold and polarity of every neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from superneurons.errors import DataError
from superneurons.probes.arrays import Activations, as_tensor, check_finite

__all__ = ["CutMetric", "Cuts", "best_cuts"]

CutMetric: TypeAlias = Literal["accuracy", "balanced_accuracy"]

_INTEGERS = {torch.float16: torch.int16, torch.float32: torch.int32}
_WIDER = {torch.int16: torch.int32, torch.int32: torch.int64}


@dataclass(frozen=True)
class Cuts:
    """The best cut of each of P neurons.

    Parameters
    ----------
    scores
        Shape (P,), float64: the score at the best cut, on the samples that chose it.
    thresholds
        Shape (P,), float64: half-way between two activations, or beyond all of them.
    polarities
        Shape (P,), int8: 1 where activations above the threshold mean "yes", -1 where those below
        do.
    """

    scores: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    polarities: NDArray[np.int8]


def best_cuts(
    X: Activations,
    y: ArrayLike,
    metric: CutMetric = "accuracy",
    *,
    signed: bool = True,
    chunk: int = 512,
) -> Cuts:
    """Find the best threshold of each neuron among all there are.

    Parameters
    ----------
    X
        Activations of shape (N, P), float16 or float32 (float64 is rounded to float32).
    y
        Shape (N,): true where the answer is the positive one.
    metric, signed
        What is best, and whether "yes" below the threshold is tried too.
    chunk
        Columns at once; memory above the input is about ``20 * N * chunk`` bytes (float32: twice).

    Raises
    ------
    DataError
        NaN or infinity, wrong shapes, one class only, an unknown metric.

    Notes
    -----
    Activations become integers in the same order, with the label as the lowest bit: sorting whole
    numbers is several times as fast and takes the labels along. Scores are running sums.
    Of equally good cuts the lowest is taken, and "yes" below it only where that is better.

    Examples
    --------
    >>> X = np.array([[0.1, 5.0], [0.2, 4.0], [0.4, -1.0], [0.5, -2.0]], dtype=np.float32)
    >>> cuts = best_cuts(X, [False, False, True, True])
    >>> cuts.scores.tolist(), cuts.thresholds.round(2).tolist(), cuts.polarities.tolist()
    ([1.0, 1.0], [0.3, 1.5], [1, -1])
    """
    positive = np.asarray(y).astype(bool)
    n_positive, n = int(positive.sum()), len(positive)
    if metric not in ("accuracy", "balanced_accuracy"):
        raise DataError(f"Unknown metric {metric!r}.", mend="Use accuracy or balanced_accuracy.")
    if X.ndim != 2 or positive.shape != (X.shape[0],) or not 0 < n_positive < n:
        raise DataError(
            f"X of shape {tuple(X.shape)} and y of shape {positive.shape} with {n_positive} true.",
            mend="Give X of shape (N, P) and y of shape (N,) with both answers.",
        )
    check_finite(X)
    tensor = as_tensor(X)
    labels = torch.from_numpy(positive).to(tensor.device)
    # Whole numbers keep sums exact: a sample is worth as much as there are of the other class.
    worth = (1, 1) if metric == "accuracy" else (n_positive, n - n_positive)
    parts = [
        _best_of_block(tensor[:, start : start + chunk], labels, worth, signed)
        for start in range(0, tensor.shape[1], chunk)
    ]
    gains, thresholds, polarities = (np.concatenate(part) for part in zip(*parts, strict=True))
    most = worth[0] * (n - n_positive) + worth[1] * n_positive
    return Cuts(gains / most, thresholds, polarities)


def _best_of_block(
    block: torch.Tensor, labels: torch.Tensor, worth: tuple[int, int], signed: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """What the best cut of each column gets right, in units of worth; its threshold and sign."""
    if block.dtype not in _INTEGERS:
        block = block.float()
    # Rows first: read column by column, rows a power of two apart push each other out of the cache.
    integers = _ordered_integers(block.contiguous().T.contiguous())
    wider = _WIDER[integers.dtype]
    keys = _sorted(torch.add(labels.to(wider), integers.to(wider), alpha=2))
    negative_worth, positive_worth = worth
    # What a cut above the first j samples gains over one below all of them, for j = 1 … N.
    steps = torch.rsub(keys & 1, negative_worth, alpha=negative_worth + positive_worth)
    gains = steps.cumsum(dim=1, dtype=torch.int32)
    values = keys.bitwise_right_shift_(1)
    # No cut parts equal activations; 0 is the cut below all, which is always there.
    gains[:, :-1].mul_(values[:, 1:] != values[:, :-1])
    base = int(labels.sum()) * positive_worth
    most = base + int((~labels).sum()) * negative_worth
    best, at = _largest(gains)
    at = torch.where(best > 0, at + 1, 0)
    right, polarity = base + best.clamp(min=0), torch.ones_like(best)
    if signed:
        worst, where = _smallest(gains)
        inverted = most - base - worst.clamp(max=0)
        better = inverted > right
        right = torch.where(better, inverted, right)
        at = torch.where(better, torch.where(worst < 0, where + 1, 0), at)
        polarity = torch.where(better, -1, 1)
    thresholds = _half_way(values, at, block.dtype)
    return (
        right.double().cpu().numpy(),
        thresholds.cpu().numpy(),
        polarity.to(torch.int8).cpu().numpy(),
    )


def _ordered_integers(values: torch.Tensor) -> torch.Tensor:
    """Map floats to integers of their width, in the same order; -0.0 is 0.0."""
    bits = values.view(_INTEGERS[values.dtype])
    width = torch.iinfo(bits.dtype).bits
    # All ones where negative. A negative float has its magnitude in the lower bits: turning them
    # over, and adding one, negates it.
    negative = bits >> (width - 1)
    return (bits ^ (negative & ((1 << (width - 1)) - 1))).sub_(negative)


def _floats(integers: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Undo :func:`_ordered_integers`, in float64."""
    narrow = integers.to(_INTEGERS[dtype])
    bits = torch.where(narrow < 0, -narrow | torch.iinfo(narrow.dtype).min, narrow)
    return bits.view(dtype).double()


def _sorted(keys: torch.Tensor) -> torch.Tensor:
    if keys.device.type != "cpu":
        return keys.sort(dim=1).values
    # NumPy sorts whole numbers with vector instructions, ten times as fast as torch.
    keys.numpy().sort(axis=1)
    return keys


def _largest(gains: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest value of each row and its first place."""
    if gains.device.type != "cpu":
        return gains.max(dim=1)
    # As for sorting: five times as fast as torch, which looks for value and place as one.
    at = torch.from_numpy(gains.numpy().argmax(axis=1))
    return gains.gather(1, at[:, None]).flatten(), at


def _smallest(gains: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if gains.device.type != "cpu":
        return gains.min(dim=1)
    at = torch.from_numpy(gains.numpy().argmin(axis=1))
    return gains.gather(1, at[:, None]).flatten(), at


def _half_way(values: torch.Tensor, at: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Thresholds between the ``at`` lowest activations and the others."""
    last = values.shape[1] - 1
    below = _floats(values.gather(1, (at - 1).clamp(min=0)[:, None]).flatten(), dtype)
    above = _floats(values.gather(1, at.clamp(max=last)[:, None]).flatten(), dtype)
    below = torch.where(at == 0, above - 1 - above.abs(), below)
    above = torch.where(at > last, below + 1 + below.abs(), above)
    return (below + above) / 2
