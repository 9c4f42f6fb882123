"""Sphinx roles in docstrings, as links of the site."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, NameResolutionError

__all__ = ["Roles", "linked"]

_ROLE = re.compile(r":(?:func|class|mod|meth|attr|data|exc):`(~?)([\w.]+)`", re.ASCII)


class Roles(Extension):
    """Rewrites roles once everything is read, so that names resolve as they do in the code."""

    def on_package(self, *, pkg: Any, **_: Any) -> None:
        """Visit each docstring of the package."""
        waiting = [pkg]
        while waiting:
            thing = waiting.pop()
            if thing.docstring:
                thing.docstring.value = linked(thing.docstring.value, thing)
            waiting += [member for member in thing.members.values() if not member.is_alias]


def linked(text: str, thing: Any) -> str:
    """Return a docstring with a link in place of each role.

    Names are those that ``thing`` sees: its members, then what its module defines or imports. One
    that it doesn't see becomes a link to nowhere, which the build refuses.
    """

    def link(role: re.Match[str]) -> str:
        shown = role[2].rpartition(".")[2] if role[1] else role[2]
        return f"[`{shown}`][{_path(role[2], thing)}]"

    return _ROLE.sub(link, text)


def _path(name: str, thing: Any) -> str:
    first, dot, rest = name.partition(".")
    if first == "superneurons":
        return name
    try:
        return f"{thing.resolve(first)}{dot}{rest}"
    except NameResolutionError:
        return name
