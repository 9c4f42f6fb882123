"""The labels of a task, and whether there are examples enough to learn them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

from superneurons.errors import DataError, Problem
from superneurons.task.groups import group_ids, groups_per_label
from superneurons.task.record import Record

__all__ = ["DataWarning", "is_multiple_choice", "known_labels", "label_set"]


class DataWarning(UserWarning):
    """Data that can be used, but may not be what was meant."""


def is_multiple_choice(records: Sequence[Record]) -> bool:
    """Whether the options differ from record to record, so that there are no common labels.

    Examples
    --------
    >>> is_multiple_choice([Record((), "What?", options=("a", "b"))] * 2)
    False
    """
    return len({frozenset(r.options) for r in records if r.options is not None}) > 1


def known_labels(records: Sequence[Record]) -> list[str]:
    """Return the label of each record.

    Raises
    ------
    DataError
        Lists every record whose label is missing or not among its options.
    """
    labels = []
    problems = []
    for index, record in enumerate(records):
        where = record.id or f"record {index}"
        if record.label is None:
            problems.append(Problem(where, "no label"))
        elif record.options is not None and record.label not in record.options:
            options = ", ".join(map(repr, record.options))
            problems.append(Problem(where, f"label {record.label!r} is not one of {options}"))
        else:
            labels.append(record.label)
    if problems:
        raise DataError(
            f"{len(problems)} of {len(records)} records have no usable label.",
            problems=problems,
            mend="Label these records, or leave them out.",
        )
    return labels


def label_set(records: Sequence[Record]) -> tuple[str, ...]:
    """Return the labels of a task, sorted, after checking that they can be learnt.

    For multiple choice, pass the unrolled records (:func:`superneurons.task.unroll.unroll`).

    Parameters
    ----------
    records
        N labelled records.

    Returns
    -------
    tuple of str
        Two labels or more; with two, the second counts as the positive one.

    Raises
    ------
    DataError
        When there are no records, a label is missing or not among the options, all labels are
        the same, or a label occurs in one group (one picture) only.

    Warns
    -----
    DataWarning
        When labels differ only in case or spaces; when an option is never the label.

    Examples
    --------
    >>> from pathlib import Path
    >>> answers = ["yes", "no", "no", "yes"]
    >>> label_set([Record((Path(f"{i}.png"),), "Cat?", a) for i, a in enumerate(answers)])
    ('no', 'yes')
    """
    if not records:
        raise DataError("There are no records.", mend="Give at least two per label.")
    labels = known_labels(records)
    counts = Counter(labels)
    if len(counts) == 1:
        raise DataError(
            f"All {len(records)} records have the label {labels[0]!r}.",
            mend="Add records with another label: there is nothing to tell apart.",
        )
    problems = [
        Problem(f"label {label!r}", f"{counts[label]} records, all in one group")
        for label, groups in groups_per_label(labels, group_ids(records)).items()
        if groups < 2
    ]
    if problems:
        raise DataError(
            "Some labels have too few examples: each needs two groups (different pictures).",
            problems=problems,
            mend="Add pictures for these labels, or merge or leave out the labels.",
        )
    _warn_of_doubtful(records, set(counts))
    return tuple(sorted(counts))


def _warn_of_doubtful(records: Sequence[Record], labels: set[str]) -> None:
    spellings: dict[str, list[str]] = {}
    for label in sorted(labels):
        spellings.setdefault(" ".join(label.split()).casefold(), []).append(label)
    for alike in spellings.values():
        if len(alike) > 1:
            names = " and ".join(map(repr, alike))
            warnings.warn(f"{names} are taken as different labels.", DataWarning, stacklevel=3)
    unused = {option for record in records for option in record.options or ()} - labels
    if unused:
        names = ", ".join(map(repr, sorted(unused)))
        warnings.warn(
            f"No record has the label {names}: it can never be answered.", DataWarning, stacklevel=3
        )
