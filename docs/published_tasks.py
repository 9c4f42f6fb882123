"""Writes the tables of docs/published-tasks.md: ``python docs/published_tasks.py``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from superneurons.cli.status import markdown
from superneurons.task.published.base import Needed, Published
from superneurons.task.published.mirrors import MIRRORS
from superneurons.task.published.registry import published

__all__ = ["PAGE", "files", "mirrors", "overview", "put", "written"]

PAGE = Path(__file__).with_name("published-tasks.md")
_MANY = 4


def overview() -> str:
    """Return the table of all tasks."""
    return markdown(
        [
            {
                "task": f"`{task.name}`",
                "asks": _code(task.question),
                "labels": _labels(task.answers),
                "to probe on": _splits(task, "probe"),
                "to score on": _splits(task, "test"),
                "probing set": _probed(task),
                "reported on by": _paper(task),
            }
            for task in published().values()
        ]
    )


def files() -> str:
    """Return a section for each paper's task or tasks: what to download, and what is settled."""
    by_paper: dict[str, list[Published]] = {}
    for task in published().values():
        by_paper.setdefault(task.paper.partition(";")[0], []).append(task)
    return "\n".join(line for tasks in by_paper.values() for line in _section(tasks))


def mirrors() -> str:
    """Return the table of hub datasets whose columns are known."""
    return markdown(
        [
            {
                "dataset": f"`{name}`",
                "pictures": _code(", ".join(columns.image)),
                "question": _code(columns.question or f"“{columns.asked}”"),
                "label": _code(columns.label or "–"),
                "options": _code(columns.options) if columns.options else "–",
                "rows without a picture": "left out" if columns.pictured else "refused",
            }
            for name, columns in MIRRORS.items()
        ]
    )


def put(text: str, mark: str, table: str) -> str:
    """Put a table between its marks.

    Raises
    ------
    ValueError
        When there is not one pair of them.
    """
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"there is not one pair of marks {begin} … {end}")
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{table}\n{end}", text)


def written(text: str) -> str:
    """Return the page with its tables made anew."""
    for mark, table in (("tasks", overview()), ("files", files()), ("mirrors", mirrors())):
        text = put(text, mark, table)
    return text


def _section(tasks: Sequence[Published]) -> Iterator[str]:
    first = tasks[0]
    names = [f"`{task.name}`" for task in tasks]
    yield f"\n### {first.title.split(',')[0].split(' (')[0]}\n"
    yield f"{', '.join(names)}. {first.paper}. Licence: {first.licence}.\n"
    if first.template is not None:
        yield f"The paper asks for each option by itself: {_code(first.template)}\n"
    needs = {need: None for task in tasks for split in task.splits.values() for need in split.needs}
    shown = list(needs)
    if len(tasks) > _MANY:
        shown = list({need: None for split in first.splits.values() for need in split.needs})
    yield markdown([_file(need) for need in shown])
    if len(shown) < len(needs):
        yield f"\nAnd so on for each of the {len(tasks)}."
    notes = {note: None for task in tasks for note in task.notes}
    yield ""
    yield from (f"- {_escaped(note)}" for note in notes)


def _file(need: Needed) -> dict[str, str]:
    also = ", ".join(f"`{place}`" for place in need.also) or "–"
    link = f"[{_escaped(need.what)}]({need.source})"
    return {"file or folder": f"`{need.path}`", "what it is": link, "also looked for as": also}


def _labels(answers: Sequence[str]) -> str:
    if len(answers) > _MANY:
        return f"{len(answers)}: {answers[0]} … {answers[-1]}"
    return ", ".join(answers)


def _splits(task: Published, role: str) -> str:
    parts = [
        f"`{name}`" + ("" if split.count is None else f" ({split.count:,})")
        for name, split in task.splits.items()
        if split.role == role
    ]
    return ", ".join(parts) or "–"


def _probed(task: Published) -> str:
    if task.n_probe is None:
        return "–"
    return f"{task.n_probe:,}" + (" yes/no questions" if task.unrolled else "")


def _paper(task: Published) -> str:
    found = re.search(r"reported on by (arXiv:[\d.]+\d)", task.paper)
    return found[1] if found else "–"


def _code(text: str) -> str:
    return f"`{' ⏎ '.join(text.splitlines())}`"


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    sys.stdout.write(f"{PAGE}\n")
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
