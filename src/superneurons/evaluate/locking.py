"""Measure what a fitted classifier is worth, and from which confidence on its answers count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Progress
from superneurons.errors import DataError, Problem
from superneurons.evaluate.intervals import wilson
from superneurons.evaluate.shares import design_effect, share_of
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.lock import Locked, Share, artefact_digest, settings_digest
from superneurons.shortcut.prediction import Prediction
from superneurons.shortcut.reference import EDGES, counted, measured
from superneurons.task.groups import group_ids
from superneurons.task.images import open_image
from superneurons.task.labels import known_labels
from superneurons.task.record import Record
from superneurons.task.split import grouped_split

__all__ = ["Measured", "check_target", "choose_threshold", "lock_classifier", "measure"]

_CAUTION = 0.6826894921370859
"""Two-sided confidence of the interval whose lower end has to reach the target: one standard
error below the share that was found, since the best of many owes part to chance."""

_PACKAGES = ("superneurons", "torch", "transformers", "pillow")


@dataclass(frozen=True)
class Measured:
    """A classifier's answers to N labelled records.

    Parameters
    ----------
    answers
        N of them.
    right
        Whether each is right, shape (N,).
    groups
        Shape (N,).
    """

    answers: Sequence[Prediction]
    right: NDArray[np.bool_]
    groups: NDArray[np.int64]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Of each answer, shape (N,); at most 1, whatever rounding makes of a sum."""
        return np.minimum([answer.confidence for answer in self.answers], 1.0)

    def part(self, rows: NDArray[np.int64]) -> Measured:
        """Return some of them."""
        return Measured([self.answers[row] for row in rows], self.right[rows], self.groups[rows])

    def shares(self, threshold: float) -> tuple[Share, Share, Share]:
        """Return how many are right, how many of the sure ones are, and how many go on."""
        sure = self.confidence >= threshold
        return (
            share_of(self.right, self.groups),
            share_of(self.right[sure], self.groups[sure]),
            share_of(~sure, self.groups),
        )


def measure(
    classifier: SuperNeuronClassifier, records: Sequence[Record], progress: Progress | None = None
) -> Measured:
    """Let a classifier answer labelled records, as it would be asked by a service.

    Raises
    ------
    DataError
        When there are none, a label is missing or unknown, or a record asks another question than
        the classifier's own; lists every one of these.
    """
    truth = _known(classifier, records)
    answers = []
    for answer in classifier.answers(records):
        answers.append(answer)
        if progress is not None:
            progress(len(answers), len(records))
    right = np.array([one.label == label for one, label in zip(answers, truth, strict=True)])
    return Measured(answers, right, group_ids(records))


def _known(classifier: SuperNeuronClassifier, records: Sequence[Record]) -> list[str]:
    if not records:
        raise DataError("There are no records to measure on.", mend="Give labelled ones.")
    truth, labels = known_labels(records), classifier.classes_.tolist()
    own = classifier.question_
    names = [record.id or f"record {index}" for index, record in enumerate(records)]
    problems = [
        Problem(name, f"label {label!r} is none of {', '.join(map(repr, labels))}")
        for name, label in zip(names, truth, strict=True)
        if labels and label not in labels
    ]
    problems += [
        Problem(name, f"asks {record.question!r}; the classifier asks {own!r}")
        for name, record in zip(names, records, strict=True)
        if own is not None and record.question != own
    ]
    if problems:
        raise DataError(
            "Some records are not of this classifier's question.",
            problems=problems,
            mend="Leave them out, or leave out the question: the classifier has its own.",
        )
    return truth


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
    digest, truth = artefact_digest(directory), _known(classifier, records)
    labelled = [replace(r, label=label) for r, label in zip(records, truth, strict=True)]
    choosing, verifying = grouped_split(labelled, test_size=0.5, seed=seed)
    found = measure(classifier, records, progress)
    chose, verified = found.part(choosing), found.part(verifying)
    threshold, met = choose_threshold(chose.confidence, chose.right, chose.groups, target_accuracy)
    accuracy, answered, escalated = verified.shares(threshold)
    labels = tuple(classifier.classes_.tolist())
    return Locked(
        artefact=digest, **_belongs(classifier, directory),
        versions={name: version(name) for name in _PACKAGES},
        question=classifier.question_, labels=labels,
        target_accuracy=float(target_accuracy), threshold=threshold, met=met, chose=len(choosing),
        accuracy=accuracy, answered_accuracy=answered, escalated=escalated,
        reference=_reference([records[row] for row in verifying], verified, labels, threshold),
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


def _belongs(classifier: SuperNeuronClassifier, directory: Path) -> dict[str, Any]:
    config = read_config(directory)  # loading has compared it with the model
    base = config["base_model"]
    kept = {name: base[name] for name in ("name", "dtype", "fingerprint")}
    kept |= {"revision": classifier.vlm.revision, "processor": settings_digest(base["processor"])}
    return {"base_model": kept, "prompt": config["prompt"]["sha256"]}


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


def _reference(
    records: Sequence[Record], found: Measured, labels: Sequence[str], threshold: float
) -> dict[str, tuple[int, ...]]:
    # Only of answers that are given: a service doesn't see what became of the others.
    sure = found.part(np.flatnonzero(found.confidence >= threshold))
    given = [answer.label for answer in sure.answers]
    pictures = [measured(open_image(image)) for record in records for image in record.images]
    values = {"confidence": sure.confidence.tolist()} | {
        name: [picture[name] for picture in pictures] for name in EDGES if name != "confidence"
    }
    return {"label": tuple(given.count(label) for label in labels)} | {
        name: tuple(counted(name, values[name])) for name in EDGES
    }
