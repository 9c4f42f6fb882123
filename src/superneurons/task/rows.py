"""What every data format gives: rows with a place, or problems with one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from superneurons.errors import DataError, Problem

__all__ = ["FIELDS", "Format", "Row", "RowOrProblem", "read_text"]

FIELDS = ("image", "images", "question", "label", "options", "group", "id")
"""The fields a row may have; all others are ignored."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read, unchecked.

    Parameters
    ----------
    where
        The place, ``file:row``.
    values
        What was found, by field.
    found
        The names of all fields there, for hints about misspelt ones.
    """

    where: str
    values: Mapping[str, Any]
    found: Collection[str]


RowOrProblem: TypeAlias = "Row | Problem"


@dataclass(frozen=True, slots=True)
class Format:
    """A way to store records.

    Parameters
    ----------
    name
        For messages: "JSON Lines (.jsonl)".
    matches
        Whether a path that exists holds this format, judged without reading its rows.
    rows
        Reads the rows, lazily. Pictures are looked for relative to the file's folder, or to the
        path itself when it is a folder.
    """

    name: str
    matches: Callable[[Path], bool]
    rows: Callable[[Path], Iterator[RowOrProblem]]


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte-order mark, line ends untouched.

    Raises
    ------
    DataError
        When it is not UTF-8; says at which line.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            "The file is not UTF-8 text.",
            where=f"{path}:{line}",
            mend="Save it as UTF-8 (in a spreadsheet: “CSV UTF-8”).",
        ) from error
