"""Answers to records, in the form that everything is scored from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record

__all__ = ["Answers", "answers_of"]


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to N records.

    Parameters
    ----------
    labels
        N labels.
    probabilities
        Shape (N, C): of the common labels, or of each record's options in their order (0 for
        those it hasn't); ``None`` where the way of answering gives none.
    """

    labels: list[str]
    probabilities: NDArray[np.float64] | None = None


def answers_of(
    records: Sequence[Record], predictions: Sequence[Prediction], labels: Sequence[str]
) -> Answers:
    """Return what a classifier answered.

    Parameters
    ----------
    records, predictions
        N records and the answer to each.
    labels
        The common labels; empty when records bring options of their own.
    """
    names = [tuple(labels) or record.options or () for record in records]
    p = np.zeros((len(records), max(map(len, names), default=0)))
    for row, own, answer in zip(p, names, predictions, strict=True):
        row[: len(own)] = [answer.probabilities.get(name, 0.0) for name in own]
    return Answers([answer.label for answer in predictions], p)
