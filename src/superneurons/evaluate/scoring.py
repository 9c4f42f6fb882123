"""Score predicted labels against the records they were predicted for."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from superneurons.evaluate.metrics import Scores, score
from superneurons.shortcut.prediction import Prediction
from superneurons.task.groups import group_ids
from superneurons.task.lettered import LETTERS
from superneurons.task.record import Record

__all__ = ["as_classes", "score_predictions", "score_records"]


def as_classes(
    records: Sequence[Record], predicted: Sequence[str], labels: Sequence[str]
) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Put right and given labels into common classes.

    Parameters
    ----------
    records
        N labelled records.
    predicted
        N labels; one that is none of a record's becomes "" where options are the records' own.
    labels
        The common labels, sorted. Empty when records bring options of their own: then what counts
        is *which* option was chosen, first, second, …, so that the classes are common again.

    Returns
    -------
    truth, predicted, classes
    """
    truth = [str(record.label) for record in records]
    if labels:
        return truth, list(predicted), tuple(labels)
    classes = LETTERS[: max(len(record.options or ()) for record in records)]
    return (
        [_letter(record, label) for record, label in zip(records, truth, strict=True)],
        [_letter(record, label) for record, label in zip(records, predicted, strict=True)],
        classes,
    )


def score_records(
    records: Sequence[Record],
    predicted: Sequence[str],
    *,
    labels: Sequence[str],
    probabilities: ArrayLike | None = None,
    seed: int = 0,
) -> Scores:
    """Score one predicted label per record; intervals keep groups whole.

    Parameters
    ----------
    records
        N labelled records.
    predicted
        N labels; one that is none of a record's counts as wrong.
    labels
        The common labels, or none; see :func:`as_classes`.
    probabilities
        N rows in the order of ``labels`` (or of the options).
    seed
        Of the bootstrap.
    """
    truth, given, classes = as_classes(records, predicted, labels)
    return score(
        truth, given, classes=classes, probabilities=probabilities,
        groups=group_ids(records).tolist(), seed=seed,
    )  # fmt: skip


def _letter(record: Record, label: str) -> str:
    options = record.options or ()
    return LETTERS[options.index(label)] if label in options else ""


def score_predictions(
    records: Sequence[Record],
    predictions: Sequence[Prediction],
    *,
    labels: Sequence[str],
    seed: int = 0,
) -> Scores:
    """Score answers with their probabilities; see :func:`score_records`."""
    rows = [
        [answer.probabilities[label] for label in labels or record.options or ()]
        for record, answer in zip(records, predictions, strict=True)
    ]
    even = len({len(row) for row in rows}) == 1
    return score_records(
        records, [answer.label for answer in predictions], labels=labels,
        probabilities=rows if even else None, seed=seed,
    )  # fmt: skip
