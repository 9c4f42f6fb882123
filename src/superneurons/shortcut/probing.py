"""From labelled records to the probing set: what is asked, and with which answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.shortcut.form import Form, as_asked
from superneurons.task.duplicates import warn_of_contradictions
from superneurons.task.groups import group_ids
from superneurons.task.images import check_images
from superneurons.task.labels import is_multiple_choice, known_labels, label_set
from superneurons.task.record import Record
from superneurons.task.unroll import balance

__all__ = ["ProbingSet", "asked", "probing_set", "with_labels"]


@dataclass(frozen=True, slots=True)
class ProbingSet:
    """Questions that are put to the model to find its Super Neurons.

    Parameters
    ----------
    records
        M records as the model is asked them: with the task's labels, letters, or yes/no.
    labels
        The task's answers, sorted; empty when each record has options of its own.
    form
        How the task is put to the model.
    n
        Number of labelled records it was made from.
    question
        The question of all of them, if it is the same.
    """

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    form: Form
    n: int
    question: str | None = None

    @property
    def unrolled(self) -> bool:
        """Whether each answer is asked for by itself."""
        return self.form == "unrolled"

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


def probing_set(
    records: Sequence[Record],
    *,
    balanced: bool,
    seed: int,
    multiclass: Literal["native", "unrolled"] = "native",
) -> ProbingSet:
    """Check records and turn them into a probing set.

    Parameters
    ----------
    records
        N labelled records.
    balanced
        Drop records until all labels (letters, yes and no) are equally frequent, as the paper
        does (section 3).
    seed
        Decides which are dropped.
    multiclass
        What becomes of more than two labels, and of options that differ from record to record:
        ``native``: the question is asked once, such options by letter; ``unrolled``: a yes/no
        question per answer.

    Raises
    ------
    DataError
        When pictures cannot be read or labels cannot be learnt; lists every problem.
    """
    check_images(records)
    known_labels(records)
    warn_of_contradictions(records)
    labels = () if is_multiple_choice(records) else label_set(records)
    form = _form(labels, multiclass)
    grouped = _grouped_by_question(records) if form == "unrolled" else records
    probing = tuple(as_asked(grouped, form, labels))
    if form == "lettered":
        _check_letters(probing)
    elif form == "unrolled":
        label_set(probing)
    if balanced:
        rng = np.random.default_rng(seed)
        probing = tuple(probing[index] for index in balance(probing, rng))
    questions = {record.question for record in records}
    question = questions.pop() if len(questions) == 1 else None
    return ProbingSet(probing, labels, form, len(records), question)


def _form(labels: Sequence[str], multiclass: Literal["native", "unrolled"]) -> Form:
    if len(labels) == 2:
        return "direct"
    if multiclass == "unrolled":
        return "unrolled"
    return "direct" if labels else "lettered"


def _check_letters(records: Sequence[Record]) -> None:
    """Letters have to be learnt like labels, but it is the order of options that decides them."""
    try:
        label_set(records)
    except DataError as error:
        raise DataError(
            f"Asked by letter, the options cannot be learnt: {error.what}",
            problems=error.problems,
            mend="Put the right option in other places too, or ask for each option by itself "
            "(multiclass 'unrolled').",
        ) from error


def asked(records: Sequence[Record], probing: ProbingSet) -> Sequence[Record]:
    """Return what the model is asked for other records of the task a probing set was made from."""
    return as_asked(records, probing.form, probing.labels)


def _grouped_by_question(records: Sequence[Record]) -> list[Record]:
    """Give every record its group, so that the options of one question stay together."""
    groups = group_ids(records)
    return [
        replace(record, group=f"group {group}")
        for record, group in zip(records, groups, strict=True)
    ]


def with_labels(records: Sequence[Record], labels: Sequence[str] | None) -> list[Record]:
    """Return records with other labels; with their own for ``None``.

    Raises
    ------
    DataError
        When there is not one label per record.
    """
    if labels is None:
        return list(records)
    if len(labels) != len(records):
        raise DataError(
            f"{len(records)} records, but {len(labels)} labels.", mend="Give one label per record."
        )
    return [
        replace(record, label=str(label)) for record, label in zip(records, labels, strict=True)
    ]
