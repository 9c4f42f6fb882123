"""From rows to records: each field checked, every problem kept."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from superneurons.errors import DataError, Problem
from superneurons.task.images import embedded_image
from superneurons.task.record import ImageSource, Record
from superneurons.task.rows import FIELDS, Row

__all__ = ["Converter", "near_field"]

_OFTEN_MEANT = {
    "image": (
        "path",
        "file",
        "filename",
        "file_name",
        "filepath",
        "picture",
        "photo",
        "image_path",
    ),
    "question": ("prompt", "text", "query", "instruction"),
    "label": ("answer", "class", "target", "category", "y"),
    "options": ("choices", "answers", "candidates"),
}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:")


def near_field(field: str, found: set[str], cutoff: float = 0.7) -> str | None:
    """Return the unknown name among those found that most likely means ``field``."""
    unknown = {
        name.strip().lower(): name for name in sorted(found.difference(FIELDS), reverse=True)
    }
    near = difflib.get_close_matches(field, unknown, n=1, cutoff=cutoff)
    near += [name for name in _OFTEN_MEANT.get(field, ()) if name in unknown]
    return unknown[near[0]] if near else None


class Converter:
    """Turns rows into records.

    Parameters
    ----------
    base
        Where relative picture paths start.
    question
        The question of rows that have none.
    require_labels
        Whether a row without a label is a problem.

    Attributes
    ----------
    problems
        Everything found wrong so far.
    """

    def __init__(self, base: Path, question: str | None, require_labels: bool) -> None:
        self.problems: list[Problem] = []
        self._base = base
        self._question = question
        self._require_labels = require_labels
        self._pictures: dict[str, Path | None] = {}
        self._embedded: dict[bytes, ImageSource] = {}

    def convert(self, row: Row) -> Record:
        """Make the record of a row; what is wrong with it is added to ``problems``."""
        images = self._images(row)
        question = self._text(row, "question") or self._question
        if question is None and row.values.get("question") is None:
            self._missing(row, "question", "; give each row one, or one for all")
        label = self._text(row, "label")
        if self._require_labels and row.values.get("label") is None:
            self._missing(row, "label")
        options = self._options(row)
        if options is not None and label is not None and label not in options:
            self._add(row, f"label {label!r} is not one of the options {_listed(options)}")
        group = self._text(row, "group")
        name = self._text(row, "id") or row.where
        return Record(images, question or "", label, options, group, name)

    def _add(self, row: Row, what: str) -> None:
        self.problems.append(Problem(row.where, what))

    def _missing(self, row: Row, field: str, mend: str = "") -> None:
        near = None if field in row.found else near_field(field, set(row.found))
        hint = f" (found {near!r}, did you mean {field!r}?)" if near else mend
        self._add(row, f"no {field!r}{hint}")

    def _text(self, row: Row, field: str) -> str | None:
        value = row.values.get(field)
        if value is None:
            return None
        text, problem = _as_text(value)
        if problem is not None:
            self._add(row, f"{field} {problem}")
        return text

    def _options(self, row: Row) -> tuple[str, ...] | None:
        value = row.values.get("options")
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            self._add(row, f"options must be a list of texts, not {_shown(value)}")
            return None
        options = []
        for item in value:
            text, problem = _as_text(item)
            if problem is not None or text is None:
                self._add(row, f"one of the options {problem}")
                return None
            options.append(text)
        if len(set(options)) < max(2, len(options)):
            self._add(row, f"options must be two or more different texts, not {_listed(options)}")
            return None
        return tuple(options)

    def _images(self, row: Row) -> tuple[ImageSource, ...]:
        one, many = row.values.get("image"), row.values.get("images")
        if one is not None and many is not None:
            self._add(row, "both 'image' and 'images'; keep one of them")
        elif many is not None and not isinstance(many, list | tuple):
            self._add(row, f"images must be a list, not {_shown(many)}; for one, use 'image'")
        elif isinstance(one, list | tuple):
            self._add(row, "image must be one picture; for several, use 'images'")
        elif one is None and many is None:
            self._missing(row, "image")
        elif many is not None and not many:
            self._add(row, "images is an empty list")
        else:
            sources = [self._image(row, item) for item in ([one] if many is None else many)]
            return tuple(source for source in sources if source is not None)
        return ()

    def _image(self, row: Row, value: Any) -> ImageSource | None:
        if isinstance(value, dict) and value.keys() <= {"bytes", "path"}:
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            try:
                return self._embedded_image(value)
            except DataError as error:
                self._add(row, f"embedded picture: {error.what}")
                return None
        if not isinstance(value, str):
            self._add(row, f"image must be a path, not {_shown(value)}")
            return None
        text, problem = _as_text(value)
        if text is None:
            self._add(row, f"image {problem}")
            return None
        if text not in self._pictures:
            self._pictures[text] = self._existing(text)
        path = self._pictures[text]
        if path is None:
            self._add(row, self._complaint(text))
        return path

    def _embedded_image(self, data: bytes) -> ImageSource:
        """Open each picture once: tables repeat it in every row that asks about it."""
        key = hashlib.sha256(data).digest()
        if key not in self._embedded:
            self._embedded[key] = embedded_image(data)
        return self._embedded[key]

    def _joined(self, text: str) -> Path:
        # Path.expanduser would fail on "~nobody", which is just a missing file
        return self._base / os.path.expanduser(text)  # noqa: PTH111

    def _existing(self, text: str) -> Path | None:
        path = self._joined(text)
        return path if os.path.isfile(path) else None  # noqa: PTH113 (never raises: odd names)

    def _complaint(self, text: str) -> str:
        if _URL.match(text):
            return (
                f"pictures from the net are not read: download {text[:80]!r} first, give its path"
            )
        path = self._joined(text)
        if os.path.isdir(path):  # noqa: PTH112
            return f"{str(path)!r} is a folder, not a picture"
        hint = "; write paths with '/'" if "\\" in text else ""
        return f"no such picture: {str(path)!r}{hint}"


def _as_text(value: Any) -> tuple[str, None] | tuple[None, str]:
    """Return the text, or what is wrong with it. Whole numbers count as text: "how many? 3"."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value), None
    if not isinstance(value, str):
        return None, f"must be text, not {_shown(value)}"
    if not value.strip():
        return None, "is empty"
    try:
        value.encode()
    except UnicodeEncodeError:
        return None, f"is not valid Unicode text: {value!r}"
    return value, None


def _shown(value: Any) -> str:
    kinds = {bool: "true or false", float: "a number", int: "a number", str: "text"}
    kinds |= {list: "a list", dict: "an object", type(None): "null"}
    return f"{kinds.get(type(value), type(value).__name__)} ({value!r:.40})"


def _listed(options: tuple[str, ...] | list[str]) -> str:
    return ", ".join(map(repr, options)) or "none"
