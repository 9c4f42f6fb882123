"""Records from what the user named."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from superneurons.errors import DataError, Problem

if TYPE_CHECKING:
    from superneurons.task.record import Record

__all__ = ["check_asked", "check_parts", "read", "task_or_data"]


def check_asked(records: list[Record], config: Mapping[str, Any]) -> None:
    """Refuse what a saved classifier can't be asked, before its model is opened.

    Parameters
    ----------
    records
        What it is to answer.
    config
        Its configuration.

    Raises
    ------
    DataError
        When pictures cannot be read, or records lack the options that they are asked by.
    """
    from superneurons.shortcut.form import FORMS, as_asked
    from superneurons.task.images import check_images

    check_images(records)
    if config["form"] in FORMS:
        as_asked(records, config["form"], config["labels"])


def check_parts(
    probe: list[Record], test: list[Record] | None, *, folds: int = 2, seed: int = 0
) -> None:
    """Refuse what can't be fitted and scored, before a model is opened.

    Raises
    ------
    DataError
        When pictures cannot be read, or records can't be parted.
    """
    from superneurons.evaluate.pool import crossed_parts, two_parts
    from superneurons.task.images import check_images

    check_images([*probe, *(test or ())])
    if test is None:
        crossed_parts(probe, folds=folds, seed=seed)
    else:
        two_parts(probe, test)


def read(data: str, question: str | None, *, require_labels: bool = True) -> list[Record]:
    """Read records from a path, or JSONL from standard input for ``-``."""
    from superneurons.task.read import read_records

    source = sys.stdin if data == "-" else data
    return read_records(source, question=question, require_labels=require_labels)


def _read_all(data: str, test: str | None, question: str | None) -> list[list[Record]]:
    """Read one or both, and where both can't be read, say so of both."""
    found: list[list[Record]] = []
    refused: list[tuple[str, DataError]] = []
    for given in (data, *([] if test is None else [test])):
        try:
            found.append(read(given, question))
        except DataError as error:
            refused.append((given, error))
    if len(refused) == 1:
        raise refused[0][1]
    if refused:
        refused.sort(key=lambda each: len(each[1].problems))  # a long list would hide the other
        raise DataError(
            "Neither --data nor --test can be used.",
            problems=[
                problem
                for given, error in refused
                for problem in error.problems or [Problem(error.where or given, error.what)]
            ],
            mend=str(refused[0][1].mend),
        )
    return found


def task_or_data(
    data: str | None,
    test: str | None,
    task: str | None,
    question: str | None,
    n_probe: int,
    n_test: int,
    sprites: Literal["seen", "unseen"],
    seed: int,
) -> tuple[list[Record], list[Record] | None]:
    """Return records to fit on and others to score on: of an embedded task, or the user's own.

    Raises
    ------
    DataError
        When neither or both were named.
    """
    if (task is None) == (data is None):
        raise DataError(
            "No records were named." if task is None else "Both --task and --data were given.",
            mend="Give --task (an embedded task) or --data (your labelled records).",
        )
    if data is not None:
        probe, *others = _read_all(data, test, question)
        return probe, others[0] if others else None
    if test is not None:
        raise DataError("--test goes with --data.", mend="Leave it out: a task has its own.")
    from superneurons.demo.tasks import make_task

    return (
        make_task(str(task), n=n_probe, split="probe", sprites=sprites, seed=seed),
        make_task(str(task), n=n_test, split="test", sprites=sprites, seed=seed),
    )
