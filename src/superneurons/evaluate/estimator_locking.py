"""Lock whatever was fitted: a classifier with one exit, or a cascade."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from superneurons.activations.capture import Progress
from superneurons.errors import DataError
from superneurons.evaluate.cascade_locking import lock_cascade
from superneurons.evaluate.locking import check_target, lock_classifier
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.estimator import Estimator, is_cascade
from superneurons.shortcut.lock import Locked
from superneurons.task.record import Record

__all__ = ["TARGET", "check_wanted", "lock_estimator"]

TARGET = 0.95
"""Share of right answers that is wanted of a classifier where nothing else is said."""


def check_wanted(directory: Path, target_accuracy: float | None) -> None:
    """Refuse a target that can't be, before anything is measured.

    Raises
    ------
    ArtefactError
        When nothing of ours is in the directory.
    DataError
        When the target is out of range, or is of a cascade, which has been fitted for one.
    """
    if target_accuracy is None:
        return
    check_target(target_accuracy)
    if is_cascade(directory):
        raise DataError(
            "A cascade is locked with the thresholds and the target that it was fitted for.",
            where="target_accuracy",
            mend="Leave it out, or fit the cascade again (superneurons cascade --target-accuracy).",
        )


def lock_estimator(
    fitted: Estimator,
    directory: Path,
    records: Sequence[Record],
    *,
    target_accuracy: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Locked:
    """Measure what was fitted on labelled records that it was not fitted on.

    Parameters
    ----------
    fitted, directory
        As loaded from there.
    records
        N labelled ones. A classifier's threshold is chosen on one half of them, and measured on the
        other; a cascade has its own, and is measured on all.
    target_accuracy
        Wanted of a classifier; by default :data:`TARGET`.
    seed
        Of the halves.
    progress
        Told how far the answers are.

    Raises
    ------
    ArtefactError, DataError
        As :func:`check_wanted`, and :func:`~superneurons.evaluate.locking.lock_classifier` or
        :func:`~superneurons.evaluate.cascade_locking.lock_cascade`.
    """
    check_wanted(directory, target_accuracy)
    if isinstance(fitted, Cascade):
        return lock_cascade(fitted, directory, records, progress=progress)
    target = TARGET if target_accuracy is None else target_accuracy
    return lock_classifier(
        fitted, directory, records, target_accuracy=target, seed=seed, progress=progress
    )
