"""What a fitted classifier or cascade answers to labelled records, and how much of it is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Progress
from superneurons.errors import DataError, Problem
from superneurons.evaluate.shares import share_of
from superneurons.shortcut.estimator import Estimator
from superneurons.shortcut.lock import Share
from superneurons.shortcut.prediction import Prediction
from superneurons.shortcut.reference import EDGES, counted, measured
from superneurons.task.groups import group_ids
from superneurons.task.images import open_image
from superneurons.task.labels import known_labels
from superneurons.task.record import Record

__all__ = ["Measured", "measure", "reference_of", "told", "truth_of"]

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Measured:
    """Answers of a classifier or a cascade to N labelled records.

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

    def shares(self, given: NDArray[np.bool_]) -> tuple[Share, Share, Share]:
        """Return how many are right, how many of those given are, and how many go on."""
        return (
            share_of(self.right, self.groups),
            share_of(self.right[given], self.groups[given]),
            share_of(~given, self.groups),
        )


def measure(
    classifier: Estimator, records: Sequence[Record], progress: Progress | None = None
) -> Measured:
    """Let a classifier or a cascade answer labelled records, as a service would ask it.

    Raises
    ------
    DataError
        When there are none, a label is missing or unknown, or a record asks another question than
        the classifier's own; lists every one of these.
    """
    truth = truth_of(classifier, records)
    answers = list(told(classifier.answers(records), len(records), progress))
    right = np.array([one.label == label for one, label in zip(answers, truth, strict=True)])
    return Measured(answers, right, group_ids(records))


def told(
    answers: Iterable[_Answer], total: int, progress: Progress | None = None
) -> Iterator[_Answer]:
    """Pass answers on, and tell how many of all they are.

    Examples
    --------
    >>> list(told("ab", 2, lambda done, total: print(done, "of", total)))
    1 of 2
    2 of 2
    ['a', 'b']
    """
    for done, answer in enumerate(answers, start=1):
        if progress is not None:
            progress(done, total)
        yield answer


def truth_of(classifier: Estimator, records: Sequence[Record]) -> list[str]:
    """Return the label of each record, all of which are of the classifier's question.

    Raises
    ------
    DataError
        As in :func:`measure`.
    """
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


def reference_of(
    records: Sequence[Record], found: Measured, labels: Sequence[str], given: NDArray[np.bool_]
) -> dict[str, tuple[int, ...]]:
    """Return the histograms that a service compares with.

    Parameters
    ----------
    records, found
        N records, and the answers to them.
    labels
        The common labels; none where records bring options of their own.
    given
        Which of the answers are given, shape (N,): labels and confidences are of these alone, for
        a service doesn't see what became of the others.

    Returns
    -------
    dict
        Of ``label``, and of what :data:`~superneurons.shortcut.reference.EDGES` names.
    """
    sure = found.part(np.flatnonzero(given))
    said = [answer.label for answer in sure.answers]
    pictures = [measured(open_image(image)) for record in records for image in record.images]
    values = {"confidence": sure.confidence.tolist()} | {
        name: [picture[name] for picture in pictures] for name in EDGES if name != "confidence"
    }
    return {"label": tuple(said.count(label) for label in labels)} | {
        name: tuple(counted(name, values[name])) for name in EDGES
    }
