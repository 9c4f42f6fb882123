"""A published task named in one word: ``pope:/data/pope@random?skip-bad``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from superneurons.errors import DataError
from superneurons.task.published.load import find_split, load_published
from superneurons.task.published.probing import probing_records
from superneurons.task.published.registry import find_task, published
from superneurons.task.record import Record

__all__ = ["FORM", "Source", "near_task", "parse_source"]

FORM = "NAME:DIR[@SPLIT][?skip-bad]"
"""How a published task is named; see :func:`parse_source`."""

_TASK = re.compile(r"([a-z][a-z0-9-]+):(.+)", re.DOTALL)
_PROBE = "probe"
_TEST = "test"


@dataclass(frozen=True, slots=True)
class Source:
    """Which records of a published task are meant.

    Parameters
    ----------
    name
        The task.
    directory
        Where its files are.
    split
        One of its splits; ``probe`` draws the paper's probing set, ``test`` (and none) is the
        first to score on, unless splits are called so.
    skip_bad
        Whether what cannot be used is left out.
    n, seed
        So many are drawn as a probing set, from the first split to probe on if none is named.
    """

    name: str
    directory: Path
    split: str | None = None
    skip_bad: bool = False
    n: int | None = None
    seed: int = 0

    def read(self) -> list[Record]:
        """Read the records; see :func:`~superneurons.task.published.load.load_published`."""
        task = find_task(self.name)
        drawn = self.split == _PROBE and _PROBE not in task.splits
        first = self.split == _TEST and _TEST not in task.splits
        split = None if drawn or first else self.split
        if drawn or self.n is not None:
            return probing_records(
                self.name,
                self.directory,
                split,
                n=self.n,
                seed=self.seed,
                skip_bad=self.skip_bad,
            )
        return load_published(
            self.name, self.directory, find_split(task, split), skip_bad=self.skip_bad
        )

    def __str__(self) -> str:
        return f"{self.name}:{self.directory}" + ("" if self.split is None else f"@{self.split}")


def parse_source(text: str) -> Source | None:
    """Read ``NAME:DIR[@SPLIT][?OPTION[&OPTION]]``; nothing where it is something else.

    A path that exists is a path, whatever its name. Options are ``skip-bad``, and ``n=1000`` and
    ``seed=1`` to draw a probing set.

    Raises
    ------
    DataError
        When an option is not known.

    Examples
    --------
    >>> source = parse_source("pope:data/pope@random?skip-bad")
    >>> source.name, source.split, source.skip_bad
    ('pope', 'random', True)
    >>> parse_source("records.jsonl") is None
    True
    """
    found = _TASK.fullmatch(text)
    if found is None or os.path.lexists(text) or found[1] not in published():
        return None
    place, _, options = _parted(found[2], "?")
    directory, _, split = _parted(place, "@")
    values = _options(options, text)
    return Source(
        found[1],
        Path(directory).expanduser(),
        split or None,
        skip_bad="skip-bad" in values,
        n=_number(values, "n", text),
        seed=_number(values, "seed", text) or 0,
    )


def near_task(text: str) -> str | None:
    """Return the published task whose name was probably meant, if any.

    Examples
    --------
    >>> near_task("poppe:/data/pope")
    'pope'
    """
    found = _TASK.fullmatch(text)
    near = get_close_matches(found[1], published(), n=1) if found else []
    return near[0] if near else None


def _parted(text: str, sign: str) -> tuple[str, str, str]:
    """Part at the last sign, unless it belongs to a directory that is there."""
    before, found, after = text.rpartition(sign)
    if not found or not before or "/" in after or Path(text).expanduser().is_dir():
        return text, "", ""
    return before, found, after


def _options(text: str, where: str) -> dict[str, str]:
    values = {}
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        if name not in {"skip-bad", "n", "seed"} or (name == "skip-bad") == bool(value):
            raise DataError(
                f"{part!r} is no option of a published task.",
                where=where,
                mend="The options: skip-bad; to draw a probing set: n=1000, seed=0.",
            )
        values[name] = value
    return values


def _number(values: dict[str, str], name: str, where: str) -> int | None:
    if name not in values:
        return None
    if not values[name].isdecimal() or (name == "n" and int(values[name]) < 2):
        raise DataError(
            f"{name} must be a whole number, not {values[name]!r}.",
            where=where,
            mend="Write n=1000, from 2, or seed=0.",
        )
    return int(values[name])
