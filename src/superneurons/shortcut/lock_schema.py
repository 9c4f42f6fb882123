"""What a lock file has to look like."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from superneurons.errors import ArtefactError, Problem
from superneurons.shortcut.reference import EDGES

__all__ = ["FORMAT", "KIND", "check_lock"]

FORMAT = 1
KIND = "superneurons lock"

_Test: TypeAlias = "tuple[Callable[[Any], bool], str]"
_MISSING = object()
_SHARES = ("accuracy", "answered_accuracy", "escalated")
_ROUNDING = 1e-9


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _listed(value: Any, test: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(test, value))


def _counts(bins: int) -> _Test:
    return lambda v: _listed(v, _whole) and len(v) == bins, f"a list of {bins} counts"


_TEXT: _Test = (lambda v: isinstance(v, str), "text")
_TEXT_OR_NULL: _Test = (lambda v: v is None or isinstance(v, str), "text or null")
_DIGEST: _Test = (
    lambda v: isinstance(v, str) and re.fullmatch("[0-9a-f]{64}", v) is not None,
    "a SHA-256",
)
_COUNT: _Test = (_whole, "a whole number, 0 or more")
_FROM_0_TO_1: _Test = (lambda v: _number(v) and 0 <= v <= 1, "a number from 0 to 1")
_INTERVAL: _Test = (
    lambda v: _listed(v, _number) and len(v) == 2 and 0 <= v[0] <= v[1] <= 1,
    "two numbers from 0 to 1, in order",
)
_FIELDS: dict[str, _Test] = {
    "artefact": _DIGEST,
    **{f"base_model.{name}": _TEXT for name in ("name", "dtype")},
    "base_model.revision": _TEXT_OR_NULL,
    **{f"base_model.{name}": _DIGEST for name in ("fingerprint", "processor")},
    "prompt": _DIGEST,
    "versions": (
        lambda v: isinstance(v, dict) and all(isinstance(one, str) for one in v.values()),
        "an object of texts",
    ),
    "question": _TEXT_OR_NULL,
    "labels": (
        lambda v: _listed(v, lambda one: isinstance(one, str)) and len(set(v)) == len(v),
        "a list of texts, each once",
    ),
    "target_accuracy": _FROM_0_TO_1,
    "threshold": _FROM_0_TO_1,
    "met": (lambda v: isinstance(v, bool), "true or false"),
    "chose": _COUNT,
    **{f"{share}.{name}": _COUNT for share in _SHARES for name in ("hits", "n")},
    **{
        f"{share}.effective": (lambda v: _number(v) and v >= 0, "a number, 0 or more")
        for share in _SHARES
    },
    **{f"{share}.interval": _INTERVAL for share in _SHARES},
    "reference.label": (lambda v: _listed(v, _whole), "a list of counts"),
    **{f"reference.{name}": _counts(len(edges) + 1) for name, edges in EDGES.items()},
}


def check_lock(found: Any, where: str) -> None:
    """Check what was read from a lock file.

    Raises
    ------
    ArtefactError
        Lists every field that is missing, unknown or impossible; or says that the lock was
        written by a later version, or is something else.
    """
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise ArtefactError(
            "This is no lock of superneurons.",
            where=where,
            mend="Give the file that `superneurons lock --out` wrote.",
        )
    if _whole(found.get("format")) and found["format"] > FORMAT:
        raise ArtefactError(
            f"This lock has format {found['format']}; this version reads up to {FORMAT}.",
            where=where,
            mend="Update superneurons.",
        )
    problems = [Problem(f"{where}: {place}", what) for place, what in _problems(found)]
    if problems:
        raise ArtefactError(
            "This lock cannot be relied on.", problems=problems, mend="Lock the classifiers again."
        )


def _problems(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not _whole(found.get("format")) or found["format"] != FORMAT:
        yield "format", f"is {found.get('format')!r}, not {FORMAT}"
    yield from _unknown(found, {"format", "kind", "classifiers"}, "")
    classifiers = found.get("classifiers")
    if not isinstance(classifiers, dict):
        yield "classifiers", "is no object"
        return
    for name, one in classifiers.items():
        if not isinstance(one, dict):
            yield f"classifiers.{name}", "is no object"
            continue
        place = f"classifiers.{name}."
        wrong = [(f"{place}{path}", what) for path, what in _wrong(one)]
        yield from wrong or ((f"{place}{path}", what) for path, what in _contradictions(one))


def _wrong(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields that are missing, of another kind, or not known."""
    inner: dict[str, set[str]] = {"": set()}
    for path, (test, wanted) in _FIELDS.items():
        outer, _, name = path.rpartition(".")
        inner.setdefault(outer, set()).add(name)
        inner[""].add(path.split(".", maxsplit=1)[0])
        holder = one.get(outer) if outer else one
        value = holder.get(name, _MISSING) if isinstance(holder, dict) else _MISSING
        if value is _MISSING:
            yield path, "missing"
        elif not test(value):
            yield path, f"is {value!r}, not {wanted}"
    for outer, names in inner.items():
        yield from _unknown(one.get(outer) if outer else one, names, f"{outer}." if outer else "")


def _unknown(holder: Any, names: set[str], place: str) -> Iterator[tuple[str, str]]:
    if isinstance(holder, dict):
        for name in holder.keys() - names:
            yield f"{place}{name}", "is not known"


def _contradictions(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _SHARES:
        share = one[name]
        hits, n, (low, high) = share["hits"], share["n"], share["interval"]
        if hits > n or share["effective"] > n + _ROUNDING:
            yield name, f"{hits} of {n}, of effective {share['effective']}"
        elif n and not low - _ROUNDING <= hits / n <= high + _ROUNDING:
            yield f"{name}.interval", f"{low} to {high} without {hits} of {n}"
    total, answered = one["accuracy"]["n"], one["answered_accuracy"]["n"]
    if one["escalated"]["n"] != total or one["escalated"]["hits"] != total - answered:
        yield "escalated", f"{one['escalated']['hits']}, but {answered} of {total} were answered"
    for name, counts in one["reference"].items():
        if name in EDGES and name != "confidence":
            continue  # of pictures, of which a record may have several
        if sum(counts) != (answered if name != "label" or one["labels"] else 0):
            yield f"reference.{name}", f"counts {sum(counts)} of {answered} that were answered"
    if len(one["reference"]["label"]) != len(one["labels"]):
        yield "reference.label", f"{len(one['reference']['label'])} for {len(one['labels'])} labels"
