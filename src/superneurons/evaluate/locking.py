"""Measure what a fitted classifier is worth, and from which confidence on its answers count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Progress
from superneurons.errors import DataError
from superneurons.evaluate.intervals import wilson
from superneurons.evaluate.measured import measure, reference_of, truth_of
from superneurons.evaluate.shares import design_effect
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator, read_estimator
from superneurons.shortcut.lock import Locked, artefact_digest, settings_digest
from superneurons.task.record import Record
from superneurons.task.split import grouped_split

__all__ = ["check_target", "choose_threshold", "identity_of", "lock_classifier"]

_CAUTION = 0.6826894921370859
"""Two-sided confidence of the interval whose lower end has to reach the target: one standard
error below the share that was found, since the best of many owes part to chance."""

_PACKAGES = ("superneurons", "torch", "transformers", "pillow")


def lock_classifier(
    classifier: SuperNeuronClassifier,
    directory: Path,
    records: Sequence[Record],
    *,
    target_accuracy: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
) -> Locked:
    """Choose a threshold on one half of some labelled records, and measure on the other.

    Parameters
    ----------
    classifier, directory
        As loaded from there.
    records
        N labelled ones that it was not fitted on. No group is parted.
    target_accuracy
        Wanted share of right answers among those that are given, above 0 and at most 1.
    seed
        Of the halves.
    progress
        Told how far the answers are.

    Raises
    ------
    ArtefactError
        When the directory cannot be read.
    DataError
        As in :func:`measure`; a target out of range; records that can't be halved.
    """
    check_target(target_accuracy)
    identity, truth = identity_of(classifier, directory), truth_of(classifier, records)
    labelled = [replace(r, label=label) for r, label in zip(records, truth, strict=True)]
    choosing, verifying = grouped_split(labelled, test_size=0.5, seed=seed)
    found = measure(classifier, records, progress)
    chose, verified = found.part(choosing), found.part(verifying)
    threshold, met = choose_threshold(chose.confidence, chose.right, chose.groups, target_accuracy)
    given = verified.confidence >= threshold
    accuracy, answered, escalated = verified.shares(given)
    return Locked(
        **identity,
        target_accuracy=float(target_accuracy), threshold=threshold, met=met, chose=len(choosing),
        accuracy=accuracy, answered_accuracy=answered, escalated=escalated,
        reference=reference_of(
            [records[row] for row in verifying], verified, identity["labels"], given
        ),
    )  # fmt: skip


def check_target(target_accuracy: float) -> None:
    """Refuse a wanted accuracy that is none, before anything is measured.

    Raises
    ------
    DataError
        When it is not above 0 and at most 1.
    """
    if not 0 < target_accuracy <= 1:
        raise DataError(
            f"The target is {target_accuracy}.",
            where="target_accuracy",
            mend="Give a share above 0 and at most 1, such as 0.95.",
        )


def identity_of(classifier: Estimator, directory: Path) -> dict[str, Any]:
    """Return what a lock says a classifier or cascade is, by the names of its fields.

    Raises
    ------
    ArtefactError
        When the directory cannot be read.
    """
    config = read_estimator(directory)  # loading has compared it with the model
    base = config["base_model"]
    kept = {name: base[name] for name in ("name", "dtype", "fingerprint")}
    kept |= {"revision": classifier.vlm.revision, "processor": settings_digest(base["processor"])}
    return {
        "artefact": artefact_digest(directory),
        "base_model": kept,
        "prompt": config["prompt"]["sha256"],
        "versions": {name: version(name) for name in _PACKAGES},
        "question": classifier.question_,
        "labels": tuple(classifier.classes_.tolist()),
    }


def choose_threshold(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    groups: NDArray[np.int64],
    target: float,
) -> tuple[float, bool]:
    """Find the least confidence from which on answers are right often enough.

    Of all thresholds for which the answers at or above it reach the target even at one standard
    error below the share that was found (the lower end of Wilson's interval, with the groups'
    design effect), the least. n right answers of n come to n / (n + 1): a target of 0.95 takes 19
    answers at least.

    Parameters
    ----------
    confidence, right, groups
        Of N answers, shape (N,).
    target
        Wanted share.

    Returns
    -------
    threshold : float
        0 where all answers are given; between two confidences that occur; 1 where none reaches the
        target.
    met : bool
        Whether one does.

    Examples
    --------
    >>> sure = np.linspace(0.5, 1, 101)
    >>> choose_threshold(sure, sure > 0.7, np.arange(101), 0.9)
    (0.6825, True)
    """
    order = np.argsort(-confidence, kind="stable")
    sure, hits = confidence[order], np.cumsum(right[order])
    each = design_effect(right, groups)
    last = np.flatnonzero(np.append(np.diff(sure) != 0, True))[::-1]
    for place in last.tolist():
        n, rightly = int((place + 1) / each), int(hits[place] / each)
        if n and wilson(rightly, n, _CAUTION)[0] >= target - 1e-9:
            if place + 1 == len(sure):
                return 0.0, True
            # In the middle, so that rounding in another batch doesn't move a record across.
            return float((sure[place] + sure[place + 1]) / 2), True
    return 1.0, False
