"""What answers show: whether confidence can be trusted, and what is mistaken for what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superneurons.evaluate.answers import Answers
from superneurons.evaluate.calibration import expected_calibration_error, reliability
from superneurons.evaluate.scoring import as_classes
from superneurons.report.run import Agreement, Bin, Confusion, Example
from superneurons.report.thumbnails import thumbnail
from superneurons.task.record import Record

__all__ = ["agreement_of", "bins_of", "confusion_of"]

_MOST = 12


def bins_of(
    records: Sequence[Record], answers: Answers, labels: Sequence[str]
) -> tuple[tuple[Bin, ...], float | None]:
    """Compare confidence with accuracy.

    Parameters
    ----------
    records, answers
        N labelled records and the answers to them.
    labels
        The common labels; empty when records bring options of their own.

    Returns
    -------
    bins, ece
        The bins that hold answers, of those that the expected calibration error adds up; none
        without probabilities.
    """
    p = answers.probabilities
    if p is None or not len(p):
        return (), None
    truth, _, classes = as_classes(records, answers.labels, labels)
    codes = np.array([classes.index(label) for label in truth])
    edges, counts, confidence, accuracy = reliability(p, codes)
    parts = zip(edges, edges[1:], counts, confidence.clip(0, 1), accuracy, strict=False)
    bins = tuple(
        Bin(float(low), float(high), int(n), float(sure), float(right))
        for low, high, n, sure, right in parts
        if n
    )
    return bins, expected_calibration_error(p, codes)


def confusion_of(
    records: Sequence[Record], answers: Answers, labels: Sequence[str], *, thumbnails: bool = True
) -> Confusion:
    """Count labels against answers, and pick records to look at.

    Parameters
    ----------
    records, answers, labels
        As for :func:`bins_of`. Where records bring options of their own, what counts is which of
        them, by letter; an answer that is none of the labels is in no column.
    thumbnails
        Whether small pictures of the records are kept.
    """
    truth, given, classes = as_classes(records, answers.labels, labels)
    place = {label: index for index, label in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for label, answer in zip(truth, given, strict=True):
        if answer in place:
            counts[place[label], place[answer]] += 1
    confidence = _confidence(answers)
    right = np.array(truth) == np.array(given)
    surest, numbers = np.argsort(-confidence, kind="stable"), np.arange(len(records))
    kept = {
        "right": surest[right[surest]],
        "wrong": surest[~right[surest]],
        # Without probabilities nothing is known to be unsure.
        "unsure": surest[::-1] if answers.probabilities is not None else numbers[:0],
    }
    examples = {
        name: tuple(
            _example(records[index], index, answers.labels[index], confidence[index], thumbnails)
            for index in chosen[:_MOST].tolist()
        )
        for name, chosen in kept.items()
    }
    return Confusion(tuple(classes), tuple(tuple(row) for row in counts.tolist()), **examples)


def _confidence(answers: Answers) -> NDArray[np.float64]:
    if answers.probabilities is None:
        return np.ones(len(answers.labels))
    return np.asarray(answers.probabilities.max(axis=1).clip(0, 1))


def _example(
    record: Record, number: int, answer: str, confidence: float, thumbnails: bool
) -> Example:
    picture = record.images[0] if record.images else None
    return Example(
        id=record.id or f"record {number}",
        question=record.question,
        label=str(record.label),
        answer=answer,
        confidence=round(float(confidence), 6),
        thumbnail=thumbnail(picture) if thumbnails and picture is not None else "",
        path=str(picture) if isinstance(picture, Path) else "",
    )


def agreement_of(records: Sequence[Record], ours: Answers, base: Answers) -> Agreement:
    """Count who is right, record by record.

    Parameters
    ----------
    records
        N labelled records.
    ours, base
        Answers to them, of a read-out and of the base model itself.
    """
    truth = np.array([str(record.label) for record in records])
    mine, theirs = (np.array(answers.labels) == truth for answers in (ours, base))
    numbers = (mine & theirs, mine & ~theirs, ~mine & theirs, ~mine & ~theirs)
    return Agreement(*(int(both.sum()) for both in numbers))
