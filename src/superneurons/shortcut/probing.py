"""From labelled records to the probing set: what is asked, and with which answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from superneurons.task.groups import group_ids
from superneurons.task.images import check_images
from superneurons.task.labels import is_multiple_choice, label_set
from superneurons.task.record import Record
from superneurons.task.unroll import balance, unroll

__all__ = ["ProbingSet", "asked", "probing_set"]


@dataclass(frozen=True, slots=True)
class ProbingSet:
    """Questions that are put to the model to find its Super Neurons.

    Parameters
    ----------
    records
        M records with two labels; yes/no questions where the task was unrolled.
    labels
        The task's answers, sorted; empty when each record has options of its own.
    unrolled
        Whether each answer is asked for by itself (more than two labels, multiple choice).
    n
        Number of labelled records it was made from.
    question
        The question of all of them, if it is the same.
    """

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    unrolled: bool
    n: int
    question: str | None = None

    @property
    def y(self) -> NDArray[np.str_]:
        """Labels, shape (M,)."""
        return np.array([record.label for record in self.records], dtype=np.str_)

    def shuffled(self, seed: int) -> ProbingSet:
        """Return the same records with their labels dealt out anew: the null."""
        order = np.random.default_rng(seed).permutation(len(self.records))
        dealt = [
            replace(r, label=self.records[i].label)
            for r, i in zip(self.records, order, strict=True)
        ]
        return replace(self, records=tuple(dealt))

    @property
    def groups(self) -> NDArray[np.int64]:
        """Group numbers, shape (M,): one for records that share a picture or a given group."""
        return group_ids(self.records)


def probing_set(records: Sequence[Record], *, balanced: bool, seed: int) -> ProbingSet:
    """Check records and turn them into a probing set of two labels.

    Parameters
    ----------
    records
        N labelled records.
    balanced
        Drop records until both labels are equally frequent, as the paper does (section 3).
    seed
        Decides which are dropped.

    Raises
    ------
    DataError
        When pictures cannot be read or labels cannot be learnt; lists every problem.
    """
    check_images(records)
    own_options = is_multiple_choice(records)
    labels = () if own_options else label_set(records)
    unrolled = own_options or len(labels) > 2
    if unrolled:
        asked = _grouped_by_question(records)
        probing = unroll(asked, labels or None).records
        label_set(probing)
    else:
        probing = tuple(records)
    if balanced:
        rng = np.random.default_rng(seed)
        probing = tuple(probing[index] for index in balance(probing, rng))
    questions = {record.question for record in records}
    question = questions.pop() if len(questions) == 1 else None
    return ProbingSet(probing, labels, unrolled, len(records), question)


def asked(records: Sequence[Record], probing: ProbingSet) -> Sequence[Record]:
    """Return what the model is asked for other records of the task a probing set was made from."""
    return unroll(records, probing.labels or None).records if probing.unrolled else records


def _grouped_by_question(records: Sequence[Record]) -> list[Record]:
    """Give every record its group, so that the options of one question stay together."""
    groups = group_ids(records)
    return [
        replace(record, group=f"group {group}")
        for record, group in zip(records, groups, strict=True)
    ]
