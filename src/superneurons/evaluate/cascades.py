"""What a cascade is worth on the records that verify it, beside each of its stages alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.evaluate.intervals import Interval
from superneurons.evaluate.metrics import Scores
from superneurons.evaluate.paired import PairedDifference, paired_difference
from superneurons.evaluate.scoring import as_classes, score_records
from superneurons.shortcut.cascade import Cascade
from superneurons.task.groups import group_ids

__all__ = ["CascadeReport", "StageRow", "cascade_report"]


@dataclass(frozen=True)
class StageRow:
    """One stage of a cascade, on the records that verify it. Shares are from 0 to 1.

    Parameters
    ----------
    name
        ``layer 5``, or that it is the base model's answer.
    layer
        Decoder layers that run before it answers.
    threshold
        It answers where its confidence is at least this; ``None``: it never does.
    share
        Share of all records that it answers.
    goes_on
        Share of all records that go on after it.
    right, right_interval
        Share of right answers among those that it answers; ``None`` where there are none.
    cost
        Cost of a record that stops here.
    alone
        How good it would be if it answered all records.
    """

    name: str
    layer: int
    threshold: float | None
    share: float
    goes_on: float
    right: float | None
    right_interval: Interval | None
    cost: float
    alone: Scores


@dataclass(frozen=True)
class CascadeReport:
    """A cascade and its stages on records that neither fitted it nor chose its thresholds.

    Parameters
    ----------
    stages
        In the order in which they are asked; the last one answers all that reach it.
    scores
        Of the cascade.
    against_end
        Accuracy of the cascade less that of the better of its two ends (the base model's answer
        or the deepest stage, whichever did better where thresholds were chosen).
    target
        The accuracy that thresholds were chosen for.
    given
        Whether the target was asked for; else it is the accuracy of going to the end.
    met, reached
        Whether thresholds reach it on the records that chose them, and what they reach there.
    wanted, held
        What the records that verify should come to, and whether they do: a target that was asked
        for, else the accuracy of going to the end on these very records.
    cost, whole
        Mean cost of a record, and cost of one that goes to the end; in ``unit``.
    unit
        ``layers``, or ``given`` where costs were.
    sizes
        Records that were fitted on, chose and verify.
    """

    stages: tuple[StageRow, ...]
    scores: Scores
    against_end: PairedDifference
    target: float
    given: bool
    met: bool
    reached: float
    wanted: float
    held: bool
    cost: float
    whole: float
    unit: str
    sizes: dict[str, int]

    @property
    def relative_cost(self) -> float:
        """Mean cost relative to going to the end."""
        return self.cost / self.whole if self.whole else 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        rows = [asdict(row) | {"alone": row.alone.as_dict()} for row in self.stages]
        plain = asdict(self) | {"stages": rows, "scores": self.scores.as_dict()}
        return plain | {"relative_cost": self.relative_cost}


def cascade_report(cascade: Cascade, *, seed: int = 0) -> CascadeReport:
    """Score a fitted cascade on the part of its records that was kept to verify it.

    Parameters
    ----------
    cascade
        Just fitted: a loaded one doesn't hold the records any more.
    seed
        Of the bootstrap.

    Raises
    ------
    DataError
        When it was loaded, or isn't fitted.
    """
    if not hasattr(cascade, "fitted_"):
        raise DataError(
            "There are no records to verify this cascade on: it was not fitted here.",
            mend="Fit it again. A loaded one has `verified_`, and answers other records.",
        )
    fitted = cascade.fitted_
    labels, records, stops = cascade.classes_.tolist(), fitted.outcome.records, fitted.stops
    given = _given(fitted.outcome.labels, stops)
    last = len(fitted.stages) - 1
    ends = range(max(0, last - fitted.stages[-1].is_base), last + 1)
    end = fitted.end if fitted.end is not None else max(ends, key=lambda s: _accuracy(cascade, s))
    truth, ours, classes = as_classes(records, given, labels)
    theirs = as_classes(records, fitted.outcome.labels[end], labels)[1]
    verified = fitted.verified
    return CascadeReport(
        stages=tuple(
            _row(cascade, number, stops, labels, seed) for number in range(len(fitted.stages))
        ),
        scores=score_records(records, given, labels=labels, seed=seed),
        against_end=paired_difference(
            truth, ours, theirs,
            classes=classes, groups=group_ids(records).tolist(), rate="accuracy", seed=seed,
        ),
        target=fitted.choice.target,
        given=fitted.end is None,
        met=fitted.choice.met,
        reached=fitted.choice.accuracy,
        wanted=verified.wanted,
        held=verified.held,
        cost=verified.cost,
        whole=fitted.costs[-1],
        unit="layers" if cascade.costs is None else "given",
        sizes=fitted.sizes,
    )  # fmt: skip


def _accuracy(cascade: Cascade, stage: int) -> float:
    return float(cascade.fitted_.outcome.right[:, stage].mean())


def _given(labels: Sequence[Sequence[str]], stops: NDArray[np.int64]) -> list[str]:
    return [labels[stage][row] for row, stage in enumerate(stops.tolist())]


def _row(
    cascade: Cascade, number: int, stops: NDArray[np.int64], labels: Sequence[str], seed: int
) -> StageRow:
    fitted = cascade.fitted_
    stage, records = fitted.stages[number], fitted.outcome.records
    answers = fitted.outcome.labels[number]
    here = np.flatnonzero(stops == number).tolist()
    right = interval = None
    if here:
        own = [records[row] for row in here]
        scores = score_records(own, [answers[row] for row in here], labels=labels, seed=seed)
        right, interval = scores.accuracy, scores.accuracy_interval
    return StageRow(
        name="base model, calibrated" if stage.is_base else f"layer {stage.layer}",
        layer=stage.layer,
        threshold=stage.threshold if math.isfinite(stage.threshold) else None,
        share=len(here) / len(stops),
        goes_on=float(np.mean(stops > number)),
        right=right,
        right_interval=interval,
        cost=fitted.costs[number],
        alone=score_records(records, answers, labels=labels, seed=seed),
    )
