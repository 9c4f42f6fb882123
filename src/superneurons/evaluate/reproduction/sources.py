"""The records that settings name."""

from __future__ import annotations

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
    if task not in TASKS and paper_task(task) is not None:
        raise DataError(
            f"The pictures of {task!r} don't come with this package.",
            where="data",
            mend=f"Download them, and give --data {task}:DIR@train --test {task}:DIR, or records "
            "of your own; `superneurons tasks show` says where they are.",
        )
    sprites, seed = settings.sprites, settings.seed
    return (
        make_task(task, n=settings.n_probe, split="probe", sprites=sprites, seed=seed),
        make_task(task, n=n_test, split="test", sprites=sprites, seed=seed),
    )
