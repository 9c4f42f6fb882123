"""Many answers as yes/no questions, the paper's way, and back."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from superneurons.errors import DataError, Problem
from superneurons.task.groups import group_ids
from superneurons.task.labels import known_labels
from superneurons.task.record import Record

__all__ = ["NEGATIVE", "POSITIVE", "TEMPLATE", "Unrolled", "balance", "roll_up", "unroll"]

POSITIVE = "yes"
NEGATIVE = "no"
TEMPLATE = "{question} Is it {option}? Answer yes or no."


@dataclass(frozen=True, slots=True)
class Unrolled:
    """Questions with several answers, as one yes/no question per answer.

    Parameters
    ----------
    records
        M yes/no records; those of one question lie side by side, in the order of its options.
    parents
        Shape (M,), int64, ascending: which of the original records each came from.
    options
        M answers: which one each asks for.
    """

    records: tuple[Record, ...]
    parents: NDArray[np.int64]
    options: tuple[str, ...]


def unroll(
    records: Sequence[Record],
    labels: Sequence[str] | None = None,
    *,
    template: str = TEMPLATE,
) -> Unrolled:
    """Ask for each possible answer by itself: "… Is it {option}? Answer yes or no.".

    Follows the treatment of multiple choice in arXiv:2603.10781 (§4); the question itself is kept
    as it is.

    Parameters
    ----------
    records
        N records; unlabelled ones stay unlabelled.
    labels
        The answers for records without ``options`` of their own.
    template
        The yes/no question, with ``{question}`` and ``{option}`` in it.

    Raises
    ------
    DataError
        When the template lacks a field, or a record has no options, the same one twice, or a
        label that is not one of them; lists every such record.

    Examples
    --------
    >>> unrolled = unroll([Record((), "What animal?", "cat", options=("cat", "dog"))])
    >>> [(record.question, record.label) for record in unrolled.records]  # doctest: +ELLIPSIS
    [('What animal? Is it cat? Answer yes or no.', 'yes'), ('What animal? Is it dog? ...', 'no')]
    >>> roll_up([0.1, 0.7], unrolled)
    ['dog']
    """
    _check_template(template)
    problems: list[Problem] = []
    children: list[Record] = []
    parents: list[int] = []
    answers: list[str] = []
    for index, record in enumerate(records):
        options = record.options if record.options is not None else tuple(labels or ())
        problem = _problem(record, options)
        if problem is not None:
            problems.append(Problem(record.id or f"record {index}", problem))
        for option in options:
            question = template.format(question=record.question, option=option)
            children.append(record.with_question(question, _answer(record, option)))
            parents.append(index)
            answers.append(option)
    if problems:
        raise DataError(
            f"{len(problems)} of {len(records)} records cannot be asked option by option.",
            problems=problems,
            mend="Give each record two different `options` or more, the label among them.",
        )
    return Unrolled(tuple(children), np.array(parents, np.int64), tuple(answers))


def roll_up(scores: ArrayLike, unrolled: Unrolled) -> list[str]:
    """Answer each original question by the option with the highest score.

    Parameters
    ----------
    scores
        Shape (M,): one per yes/no record, higher for "yes". Of equal ones the first option wins.
    unrolled
        What :func:`unroll` gave.

    Returns
    -------
    list of str
        One option per original record, in their order.

    Raises
    ------
    DataError
        When there is not one score per yes/no record, or one is not a number.
    """
    values = np.asarray(scores, np.float64)
    if values.shape != unrolled.parents.shape:
        raise DataError(
            f"{unrolled.parents.size} yes/no records need as many scores, not {values.shape}.",
            mend="Score each record of `unrolled.records`, in order.",
        )
    if np.isnan(values).any():
        first = int(np.flatnonzero(np.isnan(values))[0])
        raise DataError(
            "A score is not a number.", where=f"yes/no record {first}", mend="Score it again."
        )
    starts = np.flatnonzero(np.diff(unrolled.parents, prepend=-1))
    ends = np.append(starts[1:], values.size)[: starts.size]
    best = [
        start + int(np.argmax(values[start:end])) for start, end in zip(starts, ends, strict=True)
    ]
    return [unrolled.options[index] for index in best]


def balance(records: Sequence[Record], rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose records so that every label occurs equally often, as the paper probes (§3).

    What is dropped is chosen so that groups stay whole where they can. Of a group with several
    labels as many of each as of its rarest are kept first (an unrolled question keeps its "yes"
    and one "no"); what is then missing comes from whole groups, in random order.

    Parameters
    ----------
    records
        N labelled records.
    rng
        Decides which records of the more frequent labels go.

    Returns
    -------
    ndarray of int64
        Indices into ``records``, ascending: the size of the rarest label, for each label.

    Raises
    ------
    DataError
        When a label is missing.

    Examples
    --------
    >>> from pathlib import Path
    >>> records = [Record((Path(f"{i}.png"),), "Cat?", "yes" if i else "no") for i in range(4)]
    >>> [records[i].label for i in balance(records, np.random.default_rng(0))]
    ['no', 'yes']
    """
    labels = known_labels(records)
    groups = group_ids(records).tolist()
    if not labels:
        return np.zeros(0, np.int64)
    classes = sorted(set(labels))
    wanted = min(Counter(labels).values())
    in_group = Counter(zip(groups, labels, strict=True))
    rarest = {group: min(in_group[group, label] for label in classes) for group in set(groups)}
    group_order = rng.permutation(max(groups) + 1)
    met: Counter[tuple[int, str]] = Counter()
    ranked: dict[str, list[tuple[bool, int, int, int]]] = {label: [] for label in classes}
    for index in rng.permutation(len(labels)).tolist():
        group, label = groups[index], labels[index]
        rank = met[group, label]
        met[group, label] += 1
        ranked[label].append((rank >= rarest[group], int(group_order[group]), rank, index))
    return np.array(sorted(row[-1] for rows in ranked.values() for row in sorted(rows)[:wanted]))


def _check_template(template: str) -> None:
    try:
        fields = {
            field for _, field, _, _ in string.Formatter().parse(template) if field is not None
        }
    except ValueError as error:
        raise DataError(
            f"The template {template!r}: {error}.", mend=f"Use {TEMPLATE!r}."
        ) from error
    if fields != {"question", "option"}:
        raise DataError(
            f"The template {template!r} must have {{question}} and {{option}}, and no other field.",
            mend=f"Use {TEMPLATE!r}, or put braces of your own twice.",
        )


def _problem(record: Record, options: Sequence[str]) -> str | None:
    if len(options) < 2:
        return f"{len(options)} options"
    if len(set(options)) < len(options):
        return f"the same option twice in {tuple(options)}"
    if record.label is not None and record.label not in options:
        return f"label {record.label!r} is not one of {tuple(options)}"
    return None


def _answer(record: Record, option: str) -> str | None:
    if record.label is None:
        return None
    return POSITIVE if option == record.label else NEGATIVE
