"""From how sure and how right each stage is to where a cascade stops: thresholds, exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError, Problem

__all__ = ["Choice", "choose_thresholds", "stopped_at"]

# Cells of the table over all combinations of thresholds: some tens of MB.
_MOST_CELLS = 2**20


@dataclass(frozen=True, slots=True)
class Choice:
    """Thresholds, and what they give on the records that chose them.

    Parameters
    ----------
    thresholds
        One per stage but the last: it answers where its confidence is at least this. 0: always;
        infinity: never.
    accuracy
        Share of right answers.
    cost
        Mean cost of a record.
    target
        The accuracy that was asked for.
    met
        Whether it is reached; if not, ``accuracy`` is the best that any thresholds reach.
    """

    thresholds: tuple[float, ...]
    accuracy: float
    cost: float
    target: float
    met: bool


def choose_thresholds(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    costs: Sequence[float],
    *,
    target: float,
    end: int | None = None,
    caution: float = 0.0,
) -> Choice:
    """Choose the thresholds that reach an accuracy at the least mean cost.

    All combinations of thresholds between the confidences that occur are tried, or of their
    quantiles where those are too many. Of equal costs the most accurate is taken.

    Parameters
    ----------
    confidence
        Confidence of each record at each stage, shape (N, S), from 0 to 1; the last stage answers
        all that reach it, so that its column isn't read.
    right
        Whether the stage answers the record rightly, shape (N, S).
    costs
        Cost of a record that stops at each stage, S of them, never falling, in any unit.
    target
        Wanted share of right answers, above 0 and at most 1.
    end
        The stage whose accuracy the target is, where it is one's.
    caution
        Standard errors above the target that are wanted (of the difference to ``end``, else of the
        accuracy): the best of many owes part to chance. Where none has them, the most accurate.

    Raises
    ------
    DataError
        Shapes, confidences, costs or a target that can't be; lists every problem.

    Examples
    --------
    >>> sure = np.array([[0.9, 1.0], [0.8, 1.0], [0.6, 1.0], [0.5, 1.0]])
    >>> right = np.array([[True, True], [True, True], [False, True], [True, True]])
    >>> found = choose_thresholds(sure, right, [1, 10], target=1.0)
    >>> found.thresholds, found.accuracy, found.cost
    ((0.7,), 1.0, 5.5)
    """
    _check(confidence, right, costs, target)
    n = len(confidence)
    differ = right != right[:, [0 if end is None else end]]
    grids, hits, total, differing = _all_combinations(confidence, right, differ, costs)
    share = (hits + 1) / (n + 2)
    variance = n * share * (1 - share) if end is None else differing
    enough = hits - caution * np.sqrt(variance) >= target * n - 1e-9
    chosen = _cheapest(enough if enough.any() else hits == hits.max(), hits, total)
    places = np.unravel_index(chosen, hits.shape) if grids else ()
    return Choice(
        thresholds=tuple(float(grid[place]) for grid, place in zip(grids, places, strict=True)),
        accuracy=float(hits.ravel()[chosen] / n),
        cost=float(total.ravel()[chosen]),
        target=float(target),
        met=bool(hits.ravel()[chosen] >= target * n - 1e-9),
    )


def _cheapest(among: NDArray[np.bool_], hits: NDArray[np.int64], total: NDArray[np.float64]) -> int:
    """Number of the cheapest combination; of equals the most accurate, then the last."""
    best = np.where(among & (total == np.min(total[among])), hits, -1).ravel()
    return best.size - 1 - int(np.argmax(best[::-1]))


def _all_combinations(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    differ: NDArray[np.bool_],
    costs: Sequence[float],
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Thresholds of each stage; for all combinations right answers, mean cost, and differences."""
    n, stages = confidence.shape
    most = int(_MOST_CELLS ** (1 / max(1, stages - 1)))
    grids = [_grid(confidence[:, stage], most) for stage in range(stages - 1)]
    bins = [
        np.searchsorted(grid, confidence[:, stage], side="right") - 1
        for stage, grid in enumerate(grids)
    ]
    shape = tuple(len(grid) for grid in grids)
    hits, total = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    differing = np.zeros(shape, dtype=np.int64)
    for stage, cost in enumerate(costs):
        hits += _stopping(bins, shape, stage, right[:, stage].astype(np.int64))
        differing += _stopping(bins, shape, stage, differ[:, stage].astype(np.int64))
        total += cost * _stopping(bins, shape, stage, np.ones(n, dtype=np.int64))
    # Sums of costs are rounded by their order: what differs by less is the same cost.
    return grids, hits, np.round(total / n, 9), differing


def _grid(confidence: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Thresholds that part the confidences differently: always, between two of them, never."""
    known = np.unique(confidence)
    # In the middle, so that rounding in another batch doesn't move a record across.
    between = (known[1:] + known[:-1]) / 2
    between = between[(between > known[:-1]) & (between <= known[1:])]
    if len(between) > most - 2:
        ranks = (np.arange(1, most - 1)) / (most - 1)
        between = np.unique(np.quantile(confidence, ranks, method="inverted_cdf"))
    return np.unique(np.concatenate([[0.0], between, [np.inf]]))


def _stopping(
    bins: Sequence[NDArray[np.int64]],
    shape: tuple[int, ...],
    stage: int,
    weights: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Sum the weights of the records that stop at a stage, for each combination of thresholds.

    With threshold number j a record of bin b stops where b ≥ j. So the sums for all thresholds
    are sums over a histogram of the bins: from each bin on at this stage, before it at earlier
    ones; later thresholds play no part.
    """
    last = stage == len(shape)
    own = shape[: stage + 1]
    if not own:
        return np.asarray(weights.sum())
    table = np.zeros(own, dtype=np.int64)
    np.add.at(table, tuple(bins[: len(own)]), weights)
    for axis in range(len(own)):
        if axis == stage and not last:
            table = np.flip(np.cumsum(np.flip(table, axis), axis=axis), axis)
        else:
            table = np.cumsum(table, axis=axis) - table
    return table.reshape(own + (1,) * (len(shape) - len(own)))


def stopped_at(confidence: NDArray[np.float64], thresholds: Sequence[float]) -> NDArray[np.int64]:
    """Return the stage at which each record stops, shape (N,), from 0.

    Parameters
    ----------
    confidence
        Shape (N, S).
    thresholds
        S - 1 of them; the last stage answers what is left.

    Examples
    --------
    >>> stopped_at(np.array([[0.9, 0.5], [0.6, 0.5]]), [0.7]).tolist()
    [0, 1]
    """
    stops = confidence[:, :-1] >= np.asarray(thresholds, dtype=np.float64)
    always = np.ones((len(stops), 1), dtype=bool)
    return np.argmax(np.concatenate([stops, always], axis=1), axis=1)


def _check(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    costs: Sequence[float],
    target: float,
) -> None:
    problems = []
    if confidence.ndim != 2 or 0 in confidence.shape or right.shape != confidence.shape:
        what = f"{confidence.shape} and right {right.shape}, not (records, stages) both"
        problems.append(Problem("confidence", what))
    else:
        if not ((confidence >= 0) & (confidence <= 1)).all():
            problems.append(Problem("confidence", "not all from 0 to 1"))
        if len(costs) != confidence.shape[1]:
            problems.append(Problem("costs", f"{len(costs)} for {confidence.shape[1]} stages"))
    rising = all(a <= b for a, b in pairwise(costs))
    if not (rising and all(math.isfinite(cost) and cost >= 0 for cost in costs)):
        problems.append(Problem("costs", f"{list(costs)} fall, are negative or not finite"))
    if not 0 < target <= 1:
        problems.append(Problem("target", f"{target} is not above 0 and at most 1"))
    if problems:
        raise DataError("No thresholds can be chosen from this.", problems=problems, mend="Give "
            "confidences and answers of the same records, costs from the first stage to the last, "
            "and a target such as 0.95.")  # fmt: skip
