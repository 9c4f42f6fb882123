"""Whether two runs of the same settings found the same figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from superneurons.evaluate.reproduction.reproduced import Reproduction

__all__ = ["Agreement", "Differing", "agreement"]

_PLACE = ("name", "device", "machine", "threads", "revision")


@dataclass(frozen=True, slots=True)
class Differing:
    """One value that two runs don't share.

    Parameters
    ----------
    where
        Its path.
    before, now
        The values.
    """

    where: str
    before: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two runs share.

    Parameters
    ----------
    figures
        How many values were compared.
    differing
        Those that aren't the same, to the last digit.
    changed
        What may be why: versions of packages, device, threads.
    """

    figures: int
    differing: tuple[Differing, ...]
    changed: tuple[Differing, ...]

    @property
    def equal(self) -> bool:
        """Whether all figures are the same."""
        return not self.differing

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"equal": self.equal, **asdict(self)}


def agreement(before: Reproduction, now: Reproduction) -> Agreement:
    """Compare all figures of two runs.

    Parameters
    ----------
    before, now
        The paper's printed rows in them don't count.

    Returns
    -------
    Agreement
        On one machine, with the same packages and number of threads, figures are equal.
    """
    first, second = dict(_figures(before)), dict(_figures(now))
    differing = tuple(
        Differing(where, first.get(where), second.get(where))
        for where in dict.fromkeys((*first, *second))
        if (where in first, first.get(where)) != (where in second, second.get(where))
    )
    a, b = _circumstances(before), _circumstances(now)
    changed = tuple(
        Differing(name, a.get(name), b.get(name))
        for name in dict.fromkeys((*a, *b))
        if a.get(name) != b.get(name)
    )
    return Agreement(len(first), differing, changed)


def _circumstances(found: Reproduction) -> dict[str, Any]:
    measured = found.measured
    return {**measured.versions, **{name: getattr(measured, name) for name in _PLACE}}


def _figures(found: Reproduction) -> Iterator[tuple[str, Any]]:
    for null in found.nulls:
        yield from _leaves(asdict(null), f"null at {null.position}")
    for way in found.ways:
        values = {k: v for k, v in asdict(way).items() if k not in ("printed", "name")}
        yield from _leaves(values, f"{way.key} ({way.scored_on})")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}: {name}" if ":" not in path else f"{path}.{name}")
    elif isinstance(value, tuple | list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{place}]")
    else:
        yield path, value
