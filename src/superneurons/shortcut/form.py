"""The form a task is put to the model in, and how its answers come back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError, Problem
from superneurons.probes.base import ReadOut
from superneurons.task.lettered import LETTERS, letter_record
from superneurons.task.record import Record
from superneurons.task.unroll import POSITIVE, roll_up, unroll

__all__ = ["FORMS", "Form", "Multiclass", "answered", "as_asked", "questions_each"]

Form: TypeAlias = Literal["direct", "lettered", "unrolled"]
"""``direct``: the record's own question, once. ``lettered``: the question with the record's own
options by letter, once. ``unrolled``: one yes/no question per answer."""

Multiclass: TypeAlias = Literal["auto", "native", "unrolled"]
"""How more than two answers are told apart: by the read-out (``native``), by one yes/no question
each (``unrolled``), or the first where the read-out can (``auto``)."""

FORMS: tuple[Form, ...] = get_args(Form)


def as_asked(records: Sequence[Record], form: Form, labels: Sequence[str]) -> Sequence[Record]:
    """Return what the model is asked for records of a task.

    Parameters
    ----------
    records
        N records, labelled or not.
    form
        How the task is put.
    labels
        The common labels; empty where each record brings options of its own.

    Returns
    -------
    sequence of Record
        N records; with ``unrolled`` one for each answer of each record.

    Raises
    ------
    DataError
        When records lack the options that the form needs; lists every such record.
    """
    if form == "direct":
        return records
    if form == "unrolled":
        return unroll(records, list(labels) or None).records
    _refuse_unlettered(records)
    return [letter_record(record) for record in records]


def _refuse_unlettered(records: Sequence[Record]) -> None:
    problems = [
        Problem(record.id or f"record {index}", what)
        for index, record in enumerate(records)
        if (what := _why_not_by_letter(record)) is not None
    ]
    if problems:
        raise DataError(
            f"{len(problems)} of {len(records)} records cannot be asked by letter.",
            problems=problems,
            mend=f"Give each record 2 to {len(LETTERS)} different `options`, its label among them.",
        )


def _why_not_by_letter(record: Record) -> str | None:
    options = record.options or ()
    if not 2 <= len(options) <= len(LETTERS):
        return f"{len(options)} options"
    if len(set(options)) < len(options):
        return f"the same option twice in {options}"
    if record.label is not None and record.label not in options:
        return f"label {record.label!r} is not one of {options}"
    return None


def questions_each(records: Sequence[Record], form: Form, labels: Sequence[str]) -> int:
    """Return how many questions a record becomes, at most."""
    if form != "unrolled":
        return 1
    return max((len(record.options or labels) for record in records), default=1) or 1


def answered(
    records: Sequence[Record],
    X: NDArray[Any],
    read_out: ReadOut,
    form: Form,
    labels: Sequence[str],
) -> list[tuple[str, dict[str, float]]]:
    """Answer records from the activations of what was asked for them.

    Parameters
    ----------
    records
        N records, as they were given.
    X
        What the read-out reads of the M records of :func:`as_asked`, shape (M, K).
    read_out
        A fitted one.
    form, labels
        As for :func:`as_asked`.

    Returns
    -------
    list of (str, dict)
        The answer, and probabilities that sum to 1: of the common labels (0 where a record's
        options leave one out), else of the record's options.

    Raises
    ------
    DataError
        When the read-out knows none of a record's options; lists every such record.
    """
    if form == "unrolled":
        return _by_question(records, X, read_out, labels)
    return _by_class(records, X, read_out, labels)


def _by_class(
    records: Sequence[Record], X: NDArray[Any], read_out: ReadOut, labels: Sequence[str]
) -> list[tuple[str, dict[str, float]]]:
    """The class with the highest decision, of those that the record allows."""
    codes = {str(name): code for code, name in enumerate(read_out.classes_.tolist())}
    allowed = [_codes_of(record, codes, labels) for record in records]
    _refuse_unknown(records, allowed, list(codes))
    decisions = read_out.decision_function(X)
    if decisions.ndim == 1:
        decisions = np.stack([-decisions, decisions], axis=1)
    odds = read_out.predict_proba(X)
    found = []
    for record, own, decision, share in zip(records, allowed, decisions, odds, strict=True):
        codes_of_own = list(own.values())
        label = list(own)[int(np.argmax(decision[codes_of_own]))]
        shares = _shares(dict(zip(own, share[codes_of_own].tolist(), strict=True)), label)
        names = labels or record.options or ()
        found.append((label, {name: shares.get(name, 0.0) for name in names}))
    return found


def _shares(odds: Mapping[str, float], best: str) -> dict[str, float]:
    total = sum(odds.values())
    if not total:
        # All that is allowed can be too unlikely for a float: the best of it is certain then.
        return {answer: float(answer == best) for answer in odds}
    return {answer: value / total for answer, value in odds.items()}


def _codes_of(record: Record, codes: Mapping[str, int], labels: Sequence[str]) -> dict[str, int]:
    """The record's possible answers that the read-out knows, with their classes, in its order."""
    if labels:
        kept = labels if record.options is None else [o for o in labels if o in record.options]
        return {label: codes[label] for label in kept}
    pairs = zip(LETTERS, record.options or (), strict=False)
    return {option: codes[letter] for letter, option in pairs if letter in codes}


def _refuse_unknown(
    records: Sequence[Record], allowed: Sequence[Mapping[str, int]], known: Sequence[str]
) -> None:
    problems = [
        Problem(record.id or f"record {index}", f"none of its options {record.options} was learnt")
        for index, (record, own) in enumerate(zip(records, allowed, strict=True))
        if not own
    ]
    if problems:
        raise DataError(
            "Some records allow no answer that the classifier knows.",
            problems=problems,
            mend=f"It answers {', '.join(map(repr, known))}: leave these records out, or fit "
            "again with such records among the labelled ones.",
        )


def _by_question(
    records: Sequence[Record], X: NDArray[Any], read_out: ReadOut, labels: Sequence[str]
) -> list[tuple[str, dict[str, float]]]:
    """The option with the highest decision; its probability is its share of "yes"."""
    unrolled = unroll(records, list(labels) or None)
    chosen = roll_up(read_out.decision_function(X), unrolled)
    positive = read_out.classes_.tolist().index(POSITIVE)
    odds = read_out.predict_proba(X)[:, positive].tolist()
    rows: list[dict[str, float]] = [{} for _ in records]
    for parent, option, value in zip(unrolled.parents, unrolled.options, odds, strict=True):
        rows[parent][option] = value
    return [(label, _shares(row, label)) for label, row in zip(chosen, rows, strict=True)]
