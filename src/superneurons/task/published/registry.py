"""Every published task that is known."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from superneurons.errors import DataError
from superneurons.task.published.base import Published

__all__ = ["find_task", "published"]


@cache
def published() -> Mapping[str, Published]:
    """Return every published task by name: the ``TASKS`` of each module beside this one.

    Examples
    --------
    >>> published()["pope"].title
    'POPE'
    """
    package = import_module("superneurons.task.published")
    found: dict[str, Published] = {}
    for module in sorted(iter_modules(package.__path__), key=lambda m: m.name):
        if module.name == "registry":
            continue
        for task in getattr(import_module(f"{package.__name__}.{module.name}"), "TASKS", ()):
            if task.name in found:
                raise ValueError(f"two published tasks are called {task.name!r}")
            found[task.name] = task
    return MappingProxyType(dict(sorted(found.items())))


def find_task(name: str) -> Published:
    """Return the published task of this name.

    Raises
    ------
    DataError
        When there is none; names the nearest, or those that it is a family of.
    """
    known = published()
    if name in known:
        return known[name]
    parts = [one for one in known if one.startswith(f"{name}-")]
    near = parts or get_close_matches(name, known, n=1)
    meant = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise DataError(
        f"There is no published task {name!r}.",
        mend=meant + "`superneurons tasks list` has them all.",
    )
