"""Measure what a fitted cascade is worth, and how much of it each of its stages answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Progress
from superneurons.errors import ArtefactError
from superneurons.evaluate.locking import identity_of
from superneurons.evaluate.measured import Measured, reference_of, told, truth_of
from superneurons.evaluate.shares import share_of
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_run import live_stages
from superneurons.shortcut.cascade_stages import Stage
from superneurons.shortcut.lock import Locked, LockedStage, Share
from superneurons.task.groups import group_ids
from superneurons.task.record import Record

__all__ = ["MeasuredCascade", "lock_cascade", "measure_cascade", "threshold_of"]


@dataclass(frozen=True)
class MeasuredCascade:
    """A cascade's answers to N labelled records.

    Parameters
    ----------
    answers
        N of them, with what is right about them.
    stops
        Number of the stage that gave each, shape (N,).
    stages
        Of the cascade.
    """

    answers: Measured
    stops: NDArray[np.int64]
    stages: tuple[Stage, ...]

    @property
    def given(self) -> NDArray[np.bool_]:
        """Which answers its first exit gave, shape (N,): none where that is the base model's."""
        # As a service has it, which calls a record given where it stopped at the first exit.
        first = live_stages(self.stages)[0]
        return np.asarray((self.stops == first) & (not self.stages[first].is_base))

    def shares(self) -> tuple[Share, Share, Share]:
        """Return how many are right, how many of the first exit's are, and how many go on."""
        return self.answers.shares(self.given)

    def by_stage(self) -> tuple[LockedStage, ...]:
        """Return what each stage answers, and how much of that is right."""
        found, groups = [], self.answers.groups
        for number, stage in enumerate(self.stages):
            here = self.stops == number
            found.append(
                LockedStage(
                    layer=stage.layer,
                    base_answer=stage.is_base,
                    threshold=threshold_of(stage),
                    answered=share_of(here, groups),
                    right=share_of(self.answers.right[here], groups[here]),
                )
            )
        return tuple(found)


def threshold_of(stage: Stage) -> float | None:
    """Return the threshold of a stage as a lock has it: ``None`` where it never answers."""
    return stage.threshold if math.isfinite(stage.threshold) else None


def measure_cascade(
    cascade: Cascade, records: Sequence[Record], progress: Progress | None = None
) -> MeasuredCascade:
    """Let a cascade answer labelled records, as it would be asked by a service.

    Raises
    ------
    DataError
        As in :func:`superneurons.evaluate.measured.measure`.
    """
    truth = truth_of(cascade, records)
    staged = list(told(cascade.staged_answers(records), len(records), progress))
    answers = [answer for _, answer in staged]
    right = np.array([one.label == label for one, label in zip(answers, truth, strict=True)])
    return MeasuredCascade(
        Measured(answers, right, group_ids(records)),
        np.array([number for number, _ in staged], dtype=np.int64),
        cascade.stages_,
    )


def lock_cascade(
    cascade: Cascade,
    directory: Path,
    records: Sequence[Record],
    *,
    progress: Progress | None = None,
) -> Locked:
    """Measure a cascade on labelled records.

    Nothing is chosen: its thresholds were, where it was fitted, on records kept apart for that. So
    all of these say what it is worth.

    Parameters
    ----------
    cascade, directory
        As loaded from there.
    records
        N labelled ones that it was not fitted on.
    progress
        Told how far the answers are.

    Raises
    ------
    ArtefactError
        When the directory cannot be read, or doesn't say how many records chose the thresholds.
    DataError
        As in :func:`superneurons.evaluate.measured.measure`.
    """
    identity, chose = identity_of(cascade, directory), _chosen_on(cascade, directory)
    found = measure_cascade(cascade, records, progress)
    accuracy, answered, escalated = found.shares()
    return Locked(
        **identity,
        target_accuracy=float(cascade.target_), threshold=0.0, met=cascade.met_, chose=chose,
        accuracy=accuracy, answered_accuracy=answered, escalated=escalated,
        reference=reference_of(records, found.answers, identity["labels"], found.given),
        stages=found.by_stage(),
    )  # fmt: skip


def _chosen_on(cascade: Cascade, directory: Path) -> int:
    n = cascade.probing_.get("chosen_on")
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise ArtefactError(
            f"The cascade doesn't say how many records chose its thresholds: {n!r}.",
            where=f"{directory}: config.json: probing_set.chosen_on",
            mend="Fit and save the cascade again.",
        )
    return n
