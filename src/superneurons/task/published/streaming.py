"""One long list inside a JSON object, item by item."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from superneurons.errors import DataError

__all__ = ["list_items"]

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
    try:
        at = _expect(text, 0, "{")
        while True:
            field, at = _value(text, at)
            at = _expect(text, at, ":")
            if field == name and text[at : at + 1] == "[":
                yield from _list(text, at + 1)
                return
            _, at = _value(text, at)
            at = _expect(text, at, ",")
    except json.JSONDecodeError as error:
        raise DataError(
            f"Not a JSON object with a list {name!r}: {error.msg}.",
            where=f"{path}:{error.lineno}",
            mend="Download the file again.",
        ) from error


def _list(text: str, at: int) -> Iterator[Any]:
    at = _skip(text, at)
    if text[at : at + 1] == "]":
        return
    while True:
        item, at = _value(text, at)
        yield item
        if text[at : at + 1] == "]":
            return
        at = _expect(text, at, ",")


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
