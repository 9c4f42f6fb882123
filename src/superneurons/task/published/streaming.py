"""Long lists inside a JSON object, item by item."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Generator, Iterator
from typing import Any

from superneurons.errors import DataError

__all__ = ["list_items", "lists_items"]

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def list_items(text: str, name: str, path: str) -> Iterator[Any]:
    """Give the items of the list ``name`` of a JSON object, without building the whole.

    Parameters
    ----------
    text
        The document: an object.
    name
        The field that holds the list.
    path
        For messages.

    Raises
    ------
    DataError
        When the text is no such document; says at which line. Items before that were given.

    Examples
    --------
    >>> list(list_items('{"info": {}, "questions": [{"a": 1}, 2]}', "questions", "q.json"))
    [{'a': 1}, 2]
    """
    for _, item in lists_items(text, (name,), path):
        yield item


def lists_items(text: str, names: Collection[str], path: str) -> Iterator[tuple[str, Any]]:
    """Give the items of several lists of a JSON object, each with its list's name, as they come.

    Parameters and errors are those of :func:`list_items`. What comes after the last of the lists
    is not read.

    Examples
    --------
    >>> list(lists_items('{"a": [1], "b": [2], "c": [3]}', ("c", "a"), "x.json"))
    [('a', 1), ('c', 3)]
    """
    wanted = set(names)
    try:
        at = _expect(text, 0, "{")
        while wanted:
            field, at = _value(text, at)
            at = _expect(text, at, ":")
            if isinstance(field, str) and field in wanted and text[at : at + 1] == "[":
                wanted.remove(field)
                at = yield from _list(text, at, field)
            else:
                _, at = _value(text, at)
            if wanted:
                at = _expect(text, at, ",")
    except json.JSONDecodeError as error:
        missing = " and ".join(map(repr, sorted(wanted))) or "whole lists"
        raise DataError(
            f"Not a JSON object with {missing}: {error.msg}.",
            where=f"{path}:{error.lineno}",
            mend="Download the file again.",
        ) from error


def _list(text: str, at: int, field: str) -> Generator[tuple[str, Any], None, int]:
    """Give the items of the list that begins here, and return where it ends."""
    at = _skip(text, at + 1)
    if text[at : at + 1] != "]":
        while True:
            item, at = _value(text, at)
            yield field, item
            if text[at : at + 1] == "]":
                break
            at = _expect(text, at, ",")
    return _skip(text, at + 1)


def _value(text: str, at: int) -> tuple[Any, int]:
    value, end = _DECODER.raw_decode(text, at)
    return value, _skip(text, end)


def _expect(text: str, at: int, sign: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != sign:
        raise json.JSONDecodeError(f"Expecting {sign!r}", text, at)
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
