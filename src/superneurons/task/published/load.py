"""A published task's files as records, with everything that is wrong said at once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from superneurons.errors import DataError, Problem
from superneurons.task.labels import DataWarning
from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.reader import Reader
from superneurons.task.published.registry import find_task
from superneurons.task.record import Record

__all__ = [
    "Loaded",
    "absent",
    "counted",
    "find_split",
    "load_published",
    "missing_pictures",
    "read_split",
]

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a split's files gave.

    Parameters
    ----------
    records
        Those that can be used, in the files' order.
    bad
        Rows that cannot be read, as ``file:row``.
    missing
        Pictures that are not there, with how many records each would have had.
    """

    records: tuple[Record, ...]
    bad: tuple[Problem, ...]
    missing: dict[str, int]


def load_published(
    name: str, directory: Path | str, split: str | None = None, *, skip_bad: bool = False
) -> list[Record]:
    """Read a published task from the files that its authors publish.

    Parameters
    ----------
    name
        One of :func:`~superneurons.task.published.registry.published`, such as ``pope``.
    directory
        Where the files were downloaded to; ``superneurons tasks show NAME`` says how they lie.
    split
        One of the task's splits; without it, the first that is there to score on.
    skip_bad
        Leave out, and count, rows that cannot be read and records without their pictures, instead
        of refusing all.

    Returns
    -------
    list of Record
        In the order of the files, with a ``group`` for each picture.

    Raises
    ------
    DataError
        When there is no such task or split; lists every file and folder that is missing, or else
        every row that cannot be read and all missing pictures.

    Warns
    -----
    DataWarning
        With the number of rows left out.
    """
    task = find_task(name)
    chosen = find_split(task, split)
    folder = Path(directory).expanduser()
    loaded = read_split(task, chosen, folder, skip_bad=skip_bad)
    where = f"{name}:{folder}@{chosen}"
    if (loaded.bad or loaded.missing) and not skip_bad:
        raise _refusal(task.splits[chosen], loaded, where)
    if not loaded.records:
        raise DataError("There are no records that can be used.", where=where, mend=_SHOW % name)
    n_missing = sum(loaded.missing.values())
    if loaded.bad or n_missing:
        warnings.warn(
            f"{where}: left out are {counted(len(loaded.bad), 'row')} that cannot be read and "
            f"{counted(n_missing, 'record')} without pictures.",
            DataWarning,
            stacklevel=2,
        )
    return list(loaded.records)


def find_split(task: Published, split: str | None) -> str:
    """Return a split's name: of the one asked for, or of the first to score on.

    Raises
    ------
    DataError
        When the task has no such split.
    """
    if split is None:
        to_test = [name for name, s in task.splits.items() if s.role == "test"]
        return (to_test or list(task.splits))[0]
    if split in task.splits:
        return split
    near = get_close_matches(split, task.splits, n=1)
    raise DataError(
        f"{task.title} has no split {split!r}.",
        mend=(f"Did you mean {near[0]!r}? " if near else "")
        + f"Its splits: {', '.join(task.splits)}.",
    )


def absent(needs: Sequence[Needed], directory: Path) -> list[Needed]:
    """Return those files and folders that lie in none of their places."""
    return [
        needed
        for needed in needs
        if not any((directory / place).exists() for place in (needed.path, *needed.also))
    ]


def read_split(
    task: Published, split: str, directory: Path, *, skip_bad: bool = False, look: bool = True
) -> Loaded:
    """Read one split and keep what is wrong with it.

    Parameters
    ----------
    task, split
        What is read.
    directory
        Where its files are.
    skip_bad
        Handed to the task's reader.
    look
        Whether pictures have to be there. Without, folders of pictures may be missing, too.

    Raises
    ------
    DataError
        When files are missing: lists them all, with where they come from.
    """
    if not directory.is_dir():
        raise DataError(
            "There is no such folder.",
            where=str(directory),
            mend=f"Give the one that {task.title} was downloaded to.",
        )
    needs = [n for n in task.splits[split].needs if look or not n.path.endswith("/")]
    gone = absent(needs, directory)
    if gone:
        raise DataError(
            f"Files or folders of {task.title} are missing: {len(gone)}.",
            problems=[Problem(n.path, f"{n.what}, from {n.source}") for n in gone],
            where=str(directory),
            mend=_SHOW % task.name,
        )
    reader = Reader(directory, skip_bad=skip_bad, look=look)
    try:
        records = tuple(task.splits[split].load(reader))
    except OSError as error:
        raise DataError(
            f"A file cannot be read: {error}.", where=str(directory), mend="Check its rights."
        ) from error
    return Loaded(records, tuple(reader.problems), dict(reader.missing))


def counted(n: int, noun: str) -> str:
    """Say how many there are of something.

    Examples
    --------
    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def missing_pictures(split: Split, missing: dict[str, int]) -> list[Problem]:
    """Sum up missing pictures by the download that brings them: how many, and the first 20."""
    folders = {
        place: needed
        for needed in split.needs
        for place in (needed.path, *needed.also)
        if place.endswith("/")
    }
    by_folder: dict[str, list[str]] = {}
    for path in missing:
        folder = max((f for f in folders if path.startswith(f)), key=len, default="")
        by_folder.setdefault(folder, []).append(path.removeprefix(folder))
    problems = []
    for folder, names in by_folder.items():
        more = " …" if len(names) > _MOST_NAMED else ""
        source = f"; from {folders[folder].source}" if folder else ""
        shown = ", ".join(names[:_MOST_NAMED])
        problems.append(
            Problem(
                folder or "pictures",
                f"{counted(len(names), 'picture')} missing: {shown}{more}{source}",
            )
        )
    return problems


_SHOW = "`superneurons tasks show %s` says what to download and where to put it."


def _refusal(split: Split, loaded: Loaded, where: str) -> DataError:
    rows, pictures = len(loaded.bad), len(loaded.missing)
    parts = [f"{counted(rows, 'row')} cannot be read"] * (rows > 0)
    parts += [f"{counted(pictures, 'picture')} cannot be found"] * (pictures > 0)
    return DataError(
        f"Not all data can be used: {' and '.join(parts)}.",
        problems=[*missing_pictures(split, loaded.missing), *loaded.bad],
        where=where,
        mend="Download what is missing, or leave these rows out: append ?skip-bad to the source.",
    )
