"""What of the published tasks lies in a directory, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from superneurons.errors import DataError, Problem
from superneurons.task.labels import is_multiple_choice
from superneurons.task.published.base import Needed, Published
from superneurons.task.published.load import absent, missing_pictures, read_split
from superneurons.task.published.registry import find_task, published
from superneurons.task.record import Record

__all__ = ["CheckedSplit", "check_tasks"]


@dataclass(frozen=True, slots=True)
class CheckedSplit:
    """What was found of one split.

    Parameters
    ----------
    task, split, role
        Which one.
    directory
        Where it was looked for.
    absent
        Files and folders that are missing; then nothing was read.
    records
        How many can be used.
    answers
        How many records have each answer, most frequent first; by its letter where options differ
        from record to record; none where labels were not published.
    bad
        Rows that cannot be read, as ``file:row``.
    missing
        Missing pictures, summed up by folder.
    published
        How many records there are by the paper or the files' authors.
    """

    task: str
    split: str
    role: str
    directory: Path
    absent: tuple[Needed, ...] = ()
    records: int = 0
    answers: Mapping[str, int] | None = None
    bad: tuple[Problem, ...] = ()
    missing: tuple[Problem, ...] = ()
    published: int | None = None

    @property
    def usable(self) -> bool:
        """Whether there are records, once those that cannot be used are left out."""
        return self.records > 0

    @property
    def complete(self) -> bool:
        """Whether nothing is missing: each row can be read and each picture is there."""
        return self.usable and not (self.absent or self.bad or self.missing)

    @property
    def majority(self) -> float | None:
        """Accuracy of who always gives the most frequent answer."""
        answers = self.answers or {}
        return max(answers.values()) / sum(answers.values()) if answers else None


def check_tasks(directory: Path | str, name: str | None = None) -> list[CheckedSplit]:
    """Look for published tasks in a directory and read what is there of them.

    Parameters
    ----------
    directory
        Holds the files of one task, of several, or a folder for each, called as the task.
    name
        Look for this task only, and say all that is missing of it. Without it, for every task of
        which there is a file.

    Returns
    -------
    list of CheckedSplit
        Every split of those tasks.

    Raises
    ------
    DataError
        When there is no such directory or task, or nothing of any task in it.
    """
    folder = Path(directory).expanduser()
    if not folder.is_dir():
        raise DataError(
            "This is a file." if folder.exists() else "There is no such folder.",
            where=str(folder),
            mend="Give the folder that you downloaded to.",
        )
    tasks = list(published().values()) if name is None else [find_task(name)]
    found = []
    for task in tasks:
        place = _place(task, folder)
        if name is not None or _any_file(task, place):
            found += [_checked(task, split, place) for split in task.splits]
    if not found:
        raise DataError(
            "There is no file of any published task.",
            where=str(folder),
            mend="`superneurons tasks show NAME` says what to download and where to put it.",
        )
    return found


def _place(task: Published, folder: Path) -> Path:
    own = folder / task.name
    return own if own.is_dir() and not _any_file(task, folder) else folder


def _any_file(task: Published, folder: Path) -> bool:
    """Whether a file is there that is this task's own: pictures are shared between tasks."""
    to_score = [split for split in task.splits.values() if split.role == "test"]
    needs = [split.needs[0] for split in to_score or task.splits.values()]
    return len(absent(needs, folder)) < len(needs)


def _checked(task: Published, name: str, folder: Path) -> CheckedSplit:
    split = task.splits[name]
    gone = absent(split.needs, folder)
    if gone:
        return CheckedSplit(task.name, name, split.role, folder, tuple(gone), published=split.count)
    try:
        loaded = read_split(task, name, folder)
    except DataError as error:
        broken = error.problems or (Problem(error.where or name, error.what),)
        return CheckedSplit(
            task.name, name, split.role, folder, bad=tuple(broken), published=split.count
        )
    return CheckedSplit(
        task.name,
        name,
        split.role,
        folder,
        records=len(loaded.records),
        answers=_answers(loaded.records),
        bad=loaded.bad,
        missing=tuple(missing_pictures(split, loaded.missing)),
        published=split.count,
    )


def _answers(records: Sequence[Record]) -> dict[str, int]:
    by_letter = is_multiple_choice(records)
    labels = (
        _letter(record) if by_letter else record.label
        for record in records
        if record.label is not None
    )
    return dict(Counter(label for label in labels if label is not None).most_common())


def _letter(record: Record) -> str | None:
    options = record.options or ()
    if record.label not in options:
        return None
    index = options.index(record.label)
    return ascii_uppercase[index] if index < len(ascii_uppercase) else str(index + 1)
