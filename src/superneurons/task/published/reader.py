"""Files of a published task, read with every problem kept."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superneurons.errors import DataError, Problem
from superneurons.task.published.streaming import list_items, lists_items
from superneurons.task.rows import Row, read_text

if TYPE_CHECKING:
    from superneurons.task.published.base import Needed

__all__ = ["Reader", "is_text"]


class Reader:
    """Opens the files of one task and collects what is wrong with them.

    Parameters
    ----------
    directory
        Where the files are.
    skip_bad
        Whether rows that cannot be used, or whose pictures are missing, are left out (and counted)
        instead of refused.
    look
        Whether pictures are looked for. Where they aren't, each counts as there.

    Attributes
    ----------
    problems
        What is wrong with rows so far, as ``file:row``.
    missing
        Pictures that are not there, each once, relative to the directory; with how many records
        are left without.
    """

    def __init__(self, directory: Path, *, skip_bad: bool = False, look: bool = True) -> None:
        self.directory = directory
        self.skip_bad = skip_bad
        self.look = look
        self.problems: list[Problem] = []
        self.missing: dict[str, int] = {}
        self._known: dict[str, bool] = {}

    def place(self, needed: Needed) -> str:
        """Return where a file or folder lies: the first of its places that is there, or its own."""
        places = (needed.path, *needed.also)
        return next((p for p in places if (self.directory / p).exists()), needed.path)

    def lines(self, path: str) -> Iterator[Row]:
        """Read JSON Lines; rows that are no JSON objects become problems."""
        from superneurons.task.readers.jsonl import parse_lines

        for row in parse_lines(read_text(self.directory / path).splitlines(), path):
            if isinstance(row, Problem):
                self.problems.append(row)
            else:
                yield row

    def document(self, path: str) -> Any:
        """Read one JSON document.

        Raises
        ------
        DataError
            When it is no valid JSON; says at which line.
        """
        try:
            return json.loads(read_text(self.directory / path))
        except json.JSONDecodeError as error:
            raise DataError(
                f"Not valid JSON: {error.msg}.",
                where=f"{path}:{error.lineno}",
                mend="Download the file again.",
            ) from error

    def items(self, path: str, name: str) -> Iterator[Any]:
        """Read the list of that name from a JSON document, one item after the other.

        Of a file of a gigabyte, as CLEVR's questions are, only the text is held in memory.

        Raises
        ------
        DataError
            When it is no valid JSON object with such a list; says at which line.
        """
        yield from list_items(read_text(self.directory / path), name, path)

    def lists(self, path: str, names: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Read several lists of a JSON document as :meth:`items` does, in the file's order."""
        yield from lists_items(read_text(self.directory / path), names, path)

    def bad(self, where: str, what: str) -> None:
        """Keep one problem of a row."""
        self.problems.append(Problem(where, what))

    def text(self, row: Row, name: str) -> str | None:
        """Return a field's text, or keep what is wrong with it and return nothing."""
        value = row.values.get(name)
        if is_text(value):
            return str(value)
        found = "is missing" if name not in row.values else f"must be text, not {value!r:.40}"
        self.bad(row.where, f"{name!r} {found}")
        return None

    def picture(self, path: str, records: int = 1) -> Path | None:
        """Return a picture's path; or note that these many records lack it, and return nothing."""
        if path not in self._known:
            # os.path.isfile never raises, whatever the name
            self._known[path] = not self.look or os.path.isfile(  # noqa: PTH113
                self.directory / path
            )
        if self._known[path]:
            return self.directory / path
        self.missing[path] = self.missing.get(path, 0) + records
        return None

    def rows(self, path: str, items: Any) -> Iterator[Row]:
        """Number the objects of a list, from 1; what is no object becomes a problem."""
        if not isinstance(items, list | Iterator):
            raise DataError(
                "The file holds no list of questions.", where=path, mend="Download it again."
            )
        for number, item in enumerate(items, start=1):
            if isinstance(item, Mapping):
                yield Row(f"{path}:{number}", item, item.keys())
            else:
                self.bad(f"{path}:{number}", "not a JSON object")


def is_text(value: Any) -> bool:
    """Whether a value is text that says something and can be written down.

    Examples
    --------
    >>> [is_text(value) for value in ("a", " ", 5)]
    [True, False, False]
    """
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
