"""The records that settings name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NoReturn

from superneurons.errors import DataError
from superneurons.evaluate.reproduction.paper_rows import paper_task
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.task.record import Record

__all__ = ["records_of"]

_EMBEDDED_TEST = 300


def records_of(settings: Settings) -> tuple[list[Record], list[Record]]:
    """Return the records to probe and to score on that settings name.

    Raises
    ------
    DataError
        When they can't be read, or the task is neither embedded nor given as data.
    """
    if settings.data is not None and settings.test is not None:
        from superneurons.task.read import read_records

        probe = read_records(settings.data, question=settings.question)
        return probe, read_records(settings.test, question=settings.question)
    from superneurons.demo.tasks import TASKS, make_task

    task, n_test = settings.task, settings.n_test or _EMBEDDED_TEST
    if task not in TASKS:
        _refuse(task, TASKS)
    sprites, seed = settings.sprites, settings.seed
    return (
        make_task(task, n=settings.n_probe, split="probe", sprites=sprites, seed=seed),
        make_task(task, n=n_test, split="test", sprites=sprites, seed=seed),
    )


def _refuse(task: str, embedded: Iterable[str]) -> NoReturn:
    from superneurons.task.published.registry import published

    elsewhere = published()
    if paper_task(task) is not None or task in elsewhere:
        raise DataError(
            f"The pictures of {task!r} don't come with this package.",
            where="data",
            mend=f"Download them, and give --data {task}:DIR@train --test {task}:DIR, or records "
            "of your own; `superneurons tasks show` says where they are.",
        )
    near = get_close_matches(task, [*embedded, *elsewhere], n=1)
    raise DataError(
        f"There is no task {task!r}, and no data were given.",
        where="TASK",
        mend=(f"Did you mean {near[0]!r}? " if near else "")
        + "`superneurons tasks list` has them all; --data and --test give records of your own.",
    )
