"""What a run was made with, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from superneurons.report.page.section import Section
from superneurons.report.run import Run
from superneurons.report.svg.markup import Markup, joined, tag

__all__ = ["setting_sections"]


def setting_sections(run: Run) -> Iterator[Section]:
    """Return the command that makes the run again, and all that it was made with."""
    command = tag(
        "div",
        tag("pre", tag("code", run.command, id="command")),
        tag("button", "Copy", type="button", class_="copy", data_copies="command"),
        class_="command",
    )
    entries = [*_flat(run.setting)]
    listed = tag("dl", *entries, class_="setting") if entries else joined()
    yield Section("setting", "Run it again", "", joined(command, listed))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[Markup]:
    """Return names and values, those of a mapping within after its own name."""
    for name, value in values.items():
        told = before + str(name).replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{told}: ")
        elif value not in (None, "", [], ()):
            yield tag("div", tag("dt", told), tag("dd", _written(value)))


def _written(value: Any) -> Markup:
    if isinstance(value, bool):
        return joined("yes" if value else "no")
    if isinstance(value, int):
        return joined(str(value))
    if isinstance(value, float):
        return joined(f"{value:g}")
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return joined(", ".join(value))
    if isinstance(value, str):
        return tag("code", value) if "\n" in value or "{" in value else joined(value)
    return tag("code", json.dumps(value, ensure_ascii=False, default=str))
