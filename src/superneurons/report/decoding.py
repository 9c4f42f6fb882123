"""From JSON values to what a type says, with every place that doesn't fit."""

from __future__ import annotations

import base64
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType
from typing import (
    Any,
    Literal,
    TypedDict,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import Problem

__all__ = ["decoded", "packed", "plain"]

_T = TypeVar("_T")
_LEVELS = 255
_MOST_SHOWN = 40


class _Packed(TypedDict):
    shape: tuple[int, ...]
    low: float
    high: float
    values: str


def packed(array: NDArray[np.float32]) -> dict[str, Any]:
    """Return an array, of one value at least, as JSON values.

    Each value is one of 256 levels, from the lowest to the highest: a byte each keeps the scores of
    a hundred thousand neurons small, and is finer than any picture of them.
    """
    low, high = (float(end) for end in (array.min(), array.max()))
    levels = np.rint((array.astype(np.float64) - low) * (_LEVELS / ((high - low) or 1)))
    values = base64.b64encode(levels.astype(np.uint8).tobytes()).decode()
    return {"shape": list(array.shape), "low": low, "high": high, "values": values}


def plain(value: Any) -> Any:
    """Return a JSON value of what nearly is one.

    Tuples become lists, NumPy's numbers Python's, numbers that aren't finite ``None``, and all else
    its text, without what can't be written as UTF-8.
    """
    if isinstance(value, Mapping):
        return {plain(str(name)): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return str(value).encode("utf-8", "replace").decode()


def decoded(kind: type[_T], value: Any) -> tuple[_T | None, list[Problem]]:
    """Make a dataclass of JSON values.

    Parameters
    ----------
    kind
        A dataclass, or typed dictionary, of text, numbers, literals, tuples, mappings, arrays
        (:func:`packed`) and others of its kind. Fields with defaults may be missing, unknown ones
        are left out. Rows of dataclasses may be given by column. Numbers must be finite.
    value
        What JSON gave.

    Returns
    -------
    found, problems
        ``None`` where there are problems: every place that doesn't fit, by its path.

    Examples
    --------
    >>> from superneurons.report.run import Agreement
    >>> value = {"both_right": 1, "only_ours": "2", "only_base": 3, "both_wrong": 4}
    >>> print(*decoded(Agreement, value)[1])
    only_ours: is '2', not a whole number
    """
    reader = _Reader()
    found = reader.read(value, kind, "")
    return (None if reader.problems else cast(_T, found)), reader.problems


class _Reader:
    """Reads values and collects what doesn't fit."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, value: Any, hint: Any, path: str) -> Any:
        if hint is Any:
            return plain(value)
        if NoneType in get_args(hint):
            return None if value is None else self.read(value, get_args(hint)[0], path)
        readers: dict[Any, Callable[[Any, Any, str], Any]] = {
            Literal: self._literal, tuple: self._tuple, np.ndarray: self._array,
            Mapping: self._mapping,
        }  # fmt: skip
        named = is_dataclass(hint) or is_typeddict(hint)
        otherwise: Callable[[Any, Any, str], Any] = self._fields if named else self._scalar
        origin = get_origin(hint)
        # NDArray is a name for another type, and in Python 3.12 its own origin.
        origin = get_origin(getattr(origin, "__value__", None)) or origin
        return readers.get(origin, otherwise)(value, hint, path)

    def _refuse(self, path: str, value: Any, wanted: str) -> None:
        shown = repr(value)
        shown = shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "…"
        self.problems.append(Problem(path or "the file", f"is {shown}, not {wanted}"))

    def _checked(self, value: Any, path: str, fits: bool, wanted: str) -> Any:
        if not fits:
            self._refuse(path, value, wanted)
        return value

    def _literal(self, value: Any, hint: Any, path: str) -> Any:
        names = get_args(hint)
        return self._checked(value, path, value in names, " or ".join(map(repr, names)))

    def _scalar(self, value: Any, hint: type, path: str) -> Any:
        if hint is str:
            return plain(self._checked(value, path, isinstance(value, str), "text"))
        # bool is an int to Python, but not to JSON
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if hint is bool:
            return self._checked(value, path, isinstance(value, bool), "true or false")
        if hint is int:
            whole = number and isinstance(value, int)
            return self._checked(value, path, whole, "a whole number")
        finite = number and abs(value) <= sys.float_info.max
        self._checked(value, path, finite, "a finite number")
        return float(value) if finite else value

    def _tuple(self, value: Any, hint: Any, path: str) -> Any:
        parts = get_args(hint)
        if is_dataclass(parts[0]) and isinstance(value, dict):
            value = _rows(value, cast(type, parts[0]))
        any_length = parts[-1] is Ellipsis
        if not isinstance(value, list) or not (any_length or len(value) == len(parts)):
            self._refuse(path, value, "a list" if any_length else f"a list of {len(parts)}")
            return ()
        hints = [parts[0]] * len(value) if any_length else parts
        return tuple(
            self.read(inner, part, f"{path}[{place}]")
            for place, (inner, part) in enumerate(zip(value, hints, strict=True))
        )

    def _mapping(self, value: Any, hint: Any, path: str) -> Any:
        if not isinstance(value, dict):
            self._refuse(path, value, "an object")
            return {}
        inner = get_args(hint)[1]
        return {plain(k): self.read(part, inner, _within(path, k)) for k, part in value.items()}

    def _fields(self, value: Any, kind: type, path: str) -> Any:
        if not isinstance(value, dict):
            self._refuse(path, value, "an object")
            return None
        found, before, required = {}, len(self.problems), _required(kind)
        for name, hint in get_type_hints(kind).items():
            if name in value:
                found[name] = self.read(value[name], hint, _within(path, name))
            elif name in required:
                self.problems.append(Problem(_within(path, name), "missing"))
        return kind(**found) if len(self.problems) == before else None

    def _array(self, value: Any, _hint: Any, path: str) -> Any:
        parts = self._fields(value, _Packed, path)
        if parts is None:
            return None
        try:
            levels = np.frombuffer(base64.b64decode(parts["values"], validate=True), np.uint8)
            levels = levels.reshape(parts["shape"])
        except ValueError:
            self._refuse(f"{path}.values", parts["values"], f"{parts['shape']} bytes in base64")
            return None
        share = levels / _LEVELS
        return ((1 - share) * parts["low"] + share * parts["high"]).astype(np.float32)


def _rows(columns: dict[str, Any], kind: type) -> Any:
    """Turn columns into rows; as given where they are none."""
    names = [field.name for field in fields(kind) if field.name in columns]
    lists = [columns[name] for name in names]
    if not lists or not all(isinstance(one, list) and len(one) == len(lists[0]) for one in lists):
        return columns
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


def _required(kind: type) -> frozenset[str]:
    if is_typeddict(kind):
        return cast(frozenset[str], kind.__required_keys__)  # type: ignore[attr-defined]
    return frozenset(
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    )


def _within(path: str, name: str) -> str:
    return f"{path}.{name}" if path else str(name)
