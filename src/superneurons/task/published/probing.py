"""The probing set of a published task, drawn as its paper draws it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from superneurons.errors import DataError
from superneurons.task.images import image_keys
from superneurons.task.labels import DataWarning, is_multiple_choice, known_labels
from superneurons.task.published.base import Published
from superneurons.task.published.load import absent, find_split, load_published, read_split
from superneurons.task.published.registry import find_task
from superneurons.task.record import Record

__all__ = ["probing_records"]


def probing_records(
    name: str,
    directory: Path | str,
    split: str | None = None,
    *,
    n: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
) -> list[Record]:
    """Draw a published task's probing set: at random from its train split, balanced.

    Records whose pictures, or groups, are also in a split to score on are left out, as far as the
    questions of those splits are there (arXiv:2603.10781, section 4.2).

    Parameters
    ----------
    name, directory
        As :func:`~superneurons.task.published.load.load_published` takes them.
    split
        Drawn from; without it, the task's first split of role ``probe``.
    n
        How many records; without it, as many as the paper. With answers common to all records,
        each gets the same share; the rarest decides where it has too few. A task that the paper
        asks option by option gives half as many: unrolled and balanced, each makes two.
    seed
        The same seed and files give the same records.
    skip_bad
        As :func:`~superneurons.task.published.load.load_published` takes it.

    Returns
    -------
    list of Record
        In the order of the files.

    Raises
    ------
    DataError
        When the task has no split to probe on, nothing is left of it, or its files have problems.

    Warns
    -----
    DataWarning
        When there are fewer records than asked for.
    """
    task = find_task(name)
    chosen = find_split(task, split or _to_probe_on(task, directory))
    where = f"{name}:{directory}@{chosen}"
    records = load_published(name, directory, chosen, skip_bad=skip_bad)
    kept = _unshared(records, task, chosen, Path(directory).expanduser())
    if not kept:
        raise DataError(
            f"All pictures of {task.title}'s {chosen} are in a split to score on, too.",
            where=where,
            mend="Give another split.",
        )
    wanted = n if n is not None else task.n_probe
    if wanted is not None and task.unrolled:
        wanted = max(1, wanted // 2)
    return _drawn(kept, wanted, np.random.default_rng(seed), where)


def _to_probe_on(task: Published, directory: Path | str) -> str:
    for name, split in task.splits.items():
        if split.role == "probe":
            return name
    raise DataError(
        f"{task.title} has no split to probe on.",
        where=f"{task.name}:{directory}",
        mend="Give another as --data, without --test: fitted and scored on its own parts.",
    )


def _unshared(
    records: Sequence[Record], task: Published, chosen: str, directory: Path
) -> list[Record]:
    """Leave out what is also scored on; pictures need not be there to be known."""
    if task.splits[chosen].role == "test":
        return list(records)
    scored: list[Record] = []
    for name, split in task.splits.items():
        files = [needed for needed in split.needs if not needed.path.endswith("/")]
        if split.role == "test" and files and not absent(files, directory):
            scored += read_split(task, name, directory, look=False).records
    groups = {record.group for record in scored} - {None}
    pictures = {key for keys in image_keys(scored) for key in keys}
    return [
        record
        for record, keys in zip(records, image_keys(records), strict=True)
        if record.group not in groups and pictures.isdisjoint(keys)
    ]


def _drawn(
    records: Sequence[Record], n: int | None, rng: np.random.Generator, where: str
) -> list[Record]:
    members = [list(range(len(records)))]
    if not is_multiple_choice(records):
        by_label: dict[str, list[int]] = {}
        for index, label in enumerate(known_labels(records)):
            by_label.setdefault(label, []).append(index)
        members = [by_label[label] for label in sorted(by_label)]
    share = rarest = min(len(own) for own in members)
    if n is not None:
        share = min(rarest, max(1, n // len(members)))
        if share == rarest and n - share * len(members) >= len(members):
            warnings.warn(
                f"{where}: {share * len(members)} records to probe on, not {n}: there are no more "
                "of the rarest answer.",
                DataWarning,
                stacklevel=3,
            )
    picked = [int(i) for own in members for i in rng.choice(own, share, replace=False)]
    return [records[i] for i in sorted(picked)]
