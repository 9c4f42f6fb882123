"""Score predicted labels against the records they were predicted for."""

from __future__ import annotations

from collections.abc import Sequence

from superneurons.evaluate.metrics import Scores, score
from superneurons.shortcut.prediction import Prediction
from superneurons.task.groups import group_ids
from superneurons.task.lettered import LETTERS
from superneurons.task.record import Record

__all__ = ["score_predictions", "score_records"]


def score_records(
    records: Sequence[Record],
    predicted: Sequence[str],
    *,
    labels: Sequence[str],
    probabilities: Sequence[Sequence[float]] | None = None,
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
        The common labels, sorted. Empty when records bring options of their own: then what counts
        is *which* option was chosen, first, second, …, so that the classes are common again.
    probabilities
        N rows in the order of ``labels`` (or of the options).
    seed
        Of the bootstrap.
    """
    truth = [str(record.label) for record in records]
    classes = tuple(labels)
    if not classes:
        truth = [_letter(record, label) for record, label in zip(records, truth, strict=True)]
        predicted = [
            _letter(record, label) for record, label in zip(records, predicted, strict=True)
        ]
        classes = LETTERS[: max(len(record.options or ()) for record in records)]
    return score(
        truth, predicted, classes=classes, probabilities=probabilities,
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
