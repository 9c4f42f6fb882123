"""What a lock file has to look like."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from superneurons.errors import ArtefactError, Problem
from superneurons.shortcut.reference import EDGES

__all__ = ["FORMAT", "KIND", "check_lock"]

FORMAT = 1
KIND = "superneurons lock"

_Test: TypeAlias = "tuple[Callable[[Any], bool], str]"
_MISSING = object()
_SHARES = ("accuracy", "answered_accuracy", "escalated")
_OF_STAGE = ("answered", "right")
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
_BOOLEAN: _Test = (lambda v: isinstance(v, bool), "true or false")


def _share_fields(names: Sequence[str]) -> dict[str, _Test]:
    inner: dict[str, _Test] = {
        "hits": _COUNT,
        "n": _COUNT,
        "effective": (lambda v: _number(v) and v >= 0, "a number, 0 or more"),
        "interval": _INTERVAL,
    }
    return {f"{share}.{name}": test for share in names for name, test in inner.items()}


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
    "met": _BOOLEAN,
    "chose": _COUNT,
    **_share_fields(_SHARES),
    "reference.label": (lambda v: _listed(v, _whole), "a list of counts"),
    **{f"reference.{name}": _counts(len(edges) + 1) for name, edges in EDGES.items()},
}
# Only cascades have them: locks that were written before these could be locked are read as ever.
_STAGES = "stages"
_STAGE: dict[str, _Test] = {
    "layer": (lambda v: _whole(v) and v > 0, "a whole number, 1 or more"),
    "base_answer": _BOOLEAN,
    "threshold": (lambda v: v is None or (_number(v) and v >= 0), "a number, 0 or more, or null"),
    **_share_fields(_OF_STAGE),
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
        plain = {field: value for field, value in one.items() if field != _STAGES}
        wrong = [*_wrong(plain, _FIELDS), *_wrong_stages(one)]
        yield from ((f"{place}{path}", what) for path, what in wrong or _contradictions(one))


def _wrong_stages(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if _STAGES not in one:
        return
    stages = one[_STAGES]
    if not isinstance(stages, list) or not stages:
        yield _STAGES, "is no list of stages"
        return
    for number, stage in enumerate(stages):
        place = f"{_STAGES}.{number}"
        if isinstance(stage, dict):
            yield from ((f"{place}.{path}", what) for path, what in _wrong(stage, _STAGE))
        else:
            yield place, "is no object"


def _wrong(one: Mapping[str, Any], fields: Mapping[str, _Test]) -> Iterator[tuple[str, str]]:
    """Fields that are missing, of another kind, or not known."""
    inner: dict[str, set[str]] = {"": set()}
    for path, (test, wanted) in fields.items():
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
    yield from _impossible(one, _SHARES)
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
    if _STAGES in one:
        yield from _contradicting_stages(one, one[_STAGES])


def _impossible(holder: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        share = holder[name]
        hits, n, (low, high) = share["hits"], share["n"], share["interval"]
        if hits > n or share["effective"] > n + _ROUNDING:
            yield name, f"{hits} of {n}, of effective {share['effective']}"
        elif n and not low - _ROUNDING <= hits / n <= high + _ROUNDING:
            yield f"{name}.interval", f"{low} to {high} without {hits} of {n}"


def _contradicting_stages(
    one: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for number, stage in enumerate(stages):
        place = f"{_STAGES}.{number}"
        yield from ((f"{place}.{path}", what) for path, what in _impossible(stage, _OF_STAGE))
        given = stage["answered"]["hits"]
        if stage["right"]["n"] != given:
            yield f"{place}.right", f"of {stage['right']['n']}, but it answers {given}"
        if stage["answered"]["n"] != one["accuracy"]["n"]:
            yield f"{place}.answered", f"of {stage['answered']['n']}, not {one['accuracy']['n']}"
    layers = [stage["layer"] for stage in stages]
    if layers != sorted(layers):
        yield _STAGES, f"layers {layers}, not from the shallowest to the deepest"
    if any(stage["base_answer"] for stage in stages[:-1]):
        yield _STAGES, "the base model's answer isn't the last"
    limits = [stage["threshold"] for stage in stages]
    if limits[-1] != 0 or one["threshold"] != 0:
        yield "threshold", "the last stage of a cascade answers all that reach it, so it is 0"
    else:
        live = [n for n, t in enumerate(limits[: limits.index(0) + 1]) if t is not None]
        yield from _contradicting_answers(one, stages, live)


def _contradicting_answers(
    one: Mapping[str, Any], stages: Sequence[Mapping[str, Any]], live: Sequence[int]
) -> Iterator[tuple[str, str]]:
    """Stages part all answers among them, and those of the first exit are the ones given."""
    for number, stage in enumerate(stages):
        if number not in live and stage["answered"]["hits"]:
            yield f"{_STAGES}.{number}.answered", "with this threshold nothing comes to it"
    for what, name in (("given", "n"), ("right", "hits")):
        found, total = sum(stage["right"][name] for stage in stages), one["accuracy"][name]
        if found != total:
            yield _STAGES, f"{found} answers are {what} by them, {total} by all"
    first = stages[live[0]]
    for name in ("hits", "n"):
        early = 0 if first["base_answer"] else first["right"][name]
        if one["answered_accuracy"][name] != early:
            yield f"answered_accuracy.{name}", f"the first exit has {early}"
