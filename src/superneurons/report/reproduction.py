"""Keep a reproduction as JSON, and read it again without trusting what is in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from superneurons.activations.store import write_atomically
from superneurons.errors import ArtefactError, DataError, OutputError, Problem
from superneurons.evaluate.reproduction.figures import Figure, Figures, Whole
from superneurons.evaluate.reproduction.reproduced import Reproduction, Way
from superneurons.evaluate.reproduction.settings import check_settings
from superneurons.report.decoding import decoded, plain
from superneurons.report.kept import kept_content

__all__ = ["REPRODUCTION_FILE", "check_place", "read_reproduction", "write_reproduction"]

REPRODUCTION_FILE = "reproduction.json"
_FORMAT = 1
_KIND = "reproduction"


def check_place(directory: Path, *, overwrite: bool = False) -> None:
    """Make sure that a reproduction can be kept, before anything is computed for it.

    Raises
    ------
    OutputError
        When an earlier one is there, or the place cannot be written.
    """
    if (directory / REPRODUCTION_FILE).exists() and not overwrite:
        raise OutputError(
            f"{str(directory)!r} holds a reproduction already.",
            where=str(directory / REPRODUCTION_FILE),
            mend="Choose another directory, or allow overwriting (--overwrite).",
        )
    trial = directory / f".{REPRODUCTION_FILE}.trial"
    write_atomically(trial, b"")
    trial.unlink()


def write_reproduction(directory: Path, found: Reproduction) -> Path:
    """Write a reproduction to ``reproduction.json``, whole or not at all.

    Parameters
    ----------
    directory
        Made where it is missing.
    found
        All of it: settings, what it was measured on, and figures to the last digit.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    path = Path(directory) / REPRODUCTION_FILE
    content = {"format": _FORMAT, "kind": _KIND, **plain(found.as_dict())}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
    return path


def read_reproduction(place: Path) -> Reproduction:
    """Read what :func:`write_reproduction` wrote; every field is checked.

    Parameters
    ----------
    place
        The file, or the directory that holds it.

    Raises
    ------
    ArtefactError
        When there is none, it was written by a later version, or anything in it isn't what it has
        to be: lists every such place.
    """
    path = Path(place) / REPRODUCTION_FILE if Path(place).is_dir() else Path(place)
    content = kept_content(
        path,
        what="reproduction",
        newest=_FORMAT,
        mend="Give a directory that `superneurons reproduce --out` wrote, or the file in it.",
    )
    return _checked(content, path)


def _checked(content: dict[str, Any], path: Path) -> Reproduction:
    found, problems = decoded(Reproduction, content)
    for name, wanted in (("format", _FORMAT), ("kind", _KIND)):
        if content.get(name) != wanted or isinstance(content.get(name), bool):
            problems.insert(0, Problem(name, f"is {content.get(name)!r}, not {wanted!r}"))
    if found is not None:
        problems += [*_of_settings(found), *_of_ways(found)]
    if found is None or problems:
        raise ArtefactError(
            "This is not a reproduction that superneurons kept.",
            problems=problems,
            where=str(path),
            mend="Run the command again, with this version of superneurons.",
        )
    return found


def _of_settings(found: Reproduction) -> list[Problem]:
    try:
        check_settings(found.settings)
    except DataError as error:
        return [Problem(f"settings.{problem.where}", problem.what) for problem in error.problems]
    return []


def _of_ways(found: Reproduction) -> Iterator[Problem]:
    names = [(way.key, way.scored_on) for way in found.ways]
    for place, way in enumerate(found.ways):
        path = f"ways[{place}]"
        if names.index(names[place]) < place:
            yield Problem(f"{path}.key", f"{way.key!r} is there twice")
        yield from _of_way(way, path)


def _of_way(way: Way, path: str) -> Iterator[Problem]:
    for name in ("figures", "whole"):
        part = getattr(way, name)
        if part is not None:
            yield from _of_part(part, f"{path}.{name}")
    counts = {name: getattr(way, name) for name in ("last_layer", "exit_layer", "neurons")}
    for name, value in counts.items():
        if value is not None and value < 0:
            yield Problem(f"{path}.{name}", f"{value} is below 0")


def _of_part(part: Figures | Whole, path: str) -> Iterator[Problem]:
    if isinstance(part, Figures) and not 0 <= part.positives <= part.n:
        yield Problem(f"{path}.positives", f"{part.positives} of {part.n}")
    for field in fields(part):
        figure = getattr(part, field.name)
        if not isinstance(figure, Figure):
            continue
        low, high = figure.interval
        if not (0 <= low <= high <= 1 and 0 <= figure.value <= 1):
            what = f"{figure.value} in {figure.interval}: not shares in order"
            yield Problem(f"{path}.{field.name}", what)
