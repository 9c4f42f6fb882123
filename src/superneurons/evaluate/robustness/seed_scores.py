"""Scores of something that was fitted several times, each time with another seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from superneurons.errors import DataError
from superneurons.evaluate.intervals import CONFIDENCE, Interval, percentiles, resampled_counts
from superneurons.evaluate.metrics import N_DRAWS, answer_counts, bootstrap_units, rates
from superneurons.evaluate.scoring import as_classes
from superneurons.task.groups import group_ids
from superneurons.task.record import Record

__all__ = ["SeedDifference", "SeedScores", "seed_difference", "seed_scores", "spread_interval"]

_ACCURACY, _BALANCED, _F1 = range(3)


@dataclass(frozen=True, slots=True)
class SeedScores:
    """How good answers to N records are, on average over S seeds. Shares, from 0 to 1.

    Parameters
    ----------
    n
        N.
    balanced_accuracy, accuracy, f1
        Means over the seeds.
    balanced_accuracy_interval, accuracy_interval, f1_interval
        95 % intervals of these means: bootstrap over records within classes, or over groups, in
        which all seeds share each draw. They hold for these seeds.
    by_seed
        Balanced accuracy of each seed.
    majority
        Accuracy of always giving the records' most frequent answer.
    """

    n: int
    balanced_accuracy: float
    balanced_accuracy_interval: Interval
    accuracy: float
    accuracy_interval: Interval
    f1: float
    f1_interval: Interval
    by_seed: tuple[float, ...]
    majority: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


@dataclass(frozen=True, slots=True)
class SeedDifference:
    """How much better one way of answering is than another, on average over seeds.

    Parameters
    ----------
    difference
        Of the mean balanced accuracies.
    interval
        95 %, by a bootstrap in which both share each draw.
    """

    difference: float
    interval: Interval

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"difference": self.difference, "interval": list(self.interval)}


def seed_scores(
    records: Sequence[Record],
    answers: Sequence[Sequence[str]],
    *,
    labels: Sequence[str],
    seed: int = 0,
) -> SeedScores:
    """Score the answers of several seeds to the same records.

    Parameters
    ----------
    records
        N labelled records.
    answers
        For each of S seeds, N labels.
    labels
        The common labels, sorted; empty where records bring options of their own.
    seed
        Of the bootstrap.

    Raises
    ------
    DataError
        No seeds, or lengths that differ.

    Examples
    --------
    >>> from pathlib import Path
    >>> records = [Record((Path(f"{i}.png"),), "Cat?", "yes" if i % 2 else "no") for i in range(4)]
    >>> found = seed_scores(records, [["no"] * 4, ["no", "yes"] * 2], labels=("no", "yes"))
    >>> found.balanced_accuracy, found.by_seed
    (0.75, (0.5, 1.0))
    """
    found = _drawn(records, [answers], labels, seed)[0]
    mean = found.mean(axis=0)
    intervals = [percentiles(row[1:]) for row in mean]
    known = [str(record.label) for record in records]
    if not labels:
        known = as_classes(records, known, labels)[0]
    return SeedScores(
        len(records),
        float(mean[_BALANCED, 0]), intervals[_BALANCED],
        float(mean[_ACCURACY, 0]), intervals[_ACCURACY],
        float(mean[_F1, 0]), intervals[_F1],
        tuple(float(value) for value in found[:, _BALANCED, 0]),
        max(map(known.count, set(known))) / len(known),
    )  # fmt: skip


def seed_difference(
    records: Sequence[Record],
    first: Sequence[Sequence[str]],
    second: Sequence[Sequence[str]],
    *,
    labels: Sequence[str],
    seed: int = 0,
) -> SeedDifference:
    """Compare the balanced accuracies of two ways of answering the same records.

    Parameters
    ----------
    records, labels, seed
        As for :func:`seed_scores`.
    first, second
        Answers for each seed; the two may have been run with different numbers of seeds.

    Raises
    ------
    DataError
        No seeds, or lengths that differ.
    """
    a, b = _drawn(records, [first, second], labels, seed)
    drawn = a[:, _BALANCED].mean(axis=0) - b[:, _BALANCED].mean(axis=0)
    # Rounded, so that equal rates summed in another order don't count as a difference.
    drawn = np.round(drawn, 12)
    return SeedDifference(float(drawn[0]), percentiles(drawn[1:]))


def _drawn(
    records: Sequence[Record],
    ways: Sequence[Sequence[Sequence[str]]],
    labels: Sequence[str],
    seed: int,
) -> list[NDArray[np.float64]]:
    """Rates of each way of answering, shape (seeds, 3, 1 + draws): as they are, then resampled."""
    if not all(ways):
        raise DataError("There are no answers to score.", mend="Give at least one seed.")
    groups, counts = group_ids(records).tolist(), []
    classes: tuple[str, ...] = tuple(labels)
    for given in (given for way in ways for given in way):
        truth, said, classes = as_classes(records, given, labels)
        counts.append(answer_counts(truth, said, classes=classes, groups=groups))
    each = np.concatenate(counts, axis=1)
    units, strata = bootstrap_units(each, counts[0][:, : len(classes)].argmax(axis=1), groups)
    draws = resampled_counts(units, strata, n_draws=N_DRAWS, seed=seed)
    totals = np.concatenate([each.sum(axis=0, keepdims=True), draws])
    found = [np.stack(rates(part)) for part in np.split(totals, len(counts), axis=1)]
    ends = np.cumsum([len(way) for way in ways])[:-1]
    return [np.asarray(part) for part in np.split(np.stack(found), ends)]


def spread_interval(values: Sequence[float]) -> Interval:
    """Give the 95 % interval of the mean of what was drawn several times anew, by Student's t.

    Parameters
    ----------
    values
        S of them; of one alone nothing can be said, and the interval is all shares.

    Examples
    --------
    >>> [round(end, 3) for end in spread_interval([0.4, 0.5, 0.6])]
    [0.252, 0.748]
    """
    n = len(values)
    if n < 2:
        return 0.0, 1.0
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * float(np.std(values, ddof=1)) / np.sqrt(n)
    mean = float(np.mean(values))
    return max(0.0, mean - float(half)), min(1.0, mean + float(half))
