"""Published tasks in text: what they are, what they need, what was found of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

from superneurons.errors import DataError

if TYPE_CHECKING:
    from superneurons.task.published.base import Needed, Published
    from superneurons.task.published.check import CheckedSplit

__all__ = [
    "check_kind",
    "check_known",
    "checked_as_dict",
    "checked_lines",
    "embedded_as_dict",
    "task_as_dict",
    "task_lines",
]

_ROLES = {
    "probe": "to probe on",
    "test": "to score on",
    "ask": "to ask only, no labels",
    "all": "all, of which others are parts",
}
_MOST_SHOWN = 20
_WIDTH = 100


def check_known(name: str) -> None:
    """Refuse a name that neither an embedded nor a published task has.

    Raises
    ------
    DataError
        Names the nearest of both.
    """
    from difflib import get_close_matches

    from superneurons.demo.tasks import TASKS
    from superneurons.task.published.registry import find_task, published

    if name in TASKS or name in published():
        return
    near = get_close_matches(name, TASKS, n=1)
    if near and not get_close_matches(name, published(), n=1):
        raise DataError(f"There is no task {name!r}.", mend=f"Did you mean {near[0]!r}?")
    find_task(name)


def check_kind(name: str, wanted: Literal["embedded", "published"]) -> None:
    """Refuse a task of the other kind, with the command that takes it.

    Raises
    ------
    DataError
        When the name is of one; names that nobody knows are left to the one who looks them up.
    """
    from superneurons.demo.tasks import TASKS
    from superneurons.task.published.registry import published

    if wanted == "published" and name in TASKS and name not in published():
        raise DataError(
            f"{name!r} is an embedded task: there is nothing to download.",
            mend=f"`superneurons tasks make {name} --out FOLDER` writes it; `--task {name}` "
            "takes it as it is.",
        )
    if wanted == "embedded" and name in published() and name not in TASKS:
        raise DataError(
            f"{name!r} is a published task: its files are not in this package.",
            mend=f"`superneurons tasks show {name}` says what to download; "
            f"`superneurons tasks convert {name} FOLDER --out FILE` writes it.",
        )


def embedded_as_dict(name: str) -> dict[str, Any] | None:
    """Return an embedded task as JSON has it; nothing where there is none of that name."""
    from superneurons.demo.tasks import TASKS

    task = TASKS.get(name)
    if task is None:
        return None
    return {"name": task.name, "trained": task.trained, "description": task.description}


def task_as_dict(task: Published) -> dict[str, Any]:
    """Return a published task as JSON has it."""
    return {
        "name": task.name,
        "published": True,
        "title": task.title,
        "question": task.question,
        "answers": list(task.answers),
        "splits": {
            name: {
                "role": split.role,
                "records": split.count,
                "files": [
                    {"path": n.path, "also": list(n.also), "what": n.what, "source": n.source}
                    for n in split.needs
                ],
            }
            for name, split in task.splits.items()
        },
        "paper": task.paper,
        "licence": task.licence,
        "records_to_probe_on": task.n_probe,
        "option_by_option": task.unrolled,
        "notes": list(task.notes),
    }


def task_lines(task: Published) -> Iterator[str]:
    """Describe a published task: what it asks, its splits, and what to download to where."""
    yield f"{task.name}: {task.title}"
    yield f"  question   {task.question}"
    yield f"  answers    {', '.join(task.answers)}"
    if task.n_probe is not None:
        unrolled = ", asked option by option" if task.unrolled else ""
        yield f"  probed on  {task.n_probe} records, balanced{unrolled}"
    yield f"  paper      {task.paper}"
    yield f"  licence    {task.licence}"
    yield "  splits"
    for name, split in task.splits.items():
        count = "" if split.count is None else f", {split.count} records"
        yield f"    {name:<16} {_ROLES[split.role]}{count}"
    yield "  files, in a folder of your choice"
    yield from _tree({need: None for split in task.splits.values() for need in split.needs})
    yield "  notes"
    for note in task.notes:
        yield from wrap(
            note, _WIDTH, initial_indent="    - ", subsequent_indent="      ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    yield f"  then       {_given(task)}"


def _given(task: Published) -> str:
    first = {split.role: name for name, split in reversed(list(task.splits.items()))}
    test = f"{task.name}:FOLDER@{first['test']}" if "test" in first else ""
    if "probe" not in first:
        return f"--data {test}"
    return f"--data {task.name}:FOLDER@probe" + (f" --test {test}" if test else "")


def _tree(needs: dict[Needed, None]) -> Iterator[str]:
    before: tuple[str, ...] = ()
    for need in sorted(needs, key=lambda n: n.path):
        *folders, name = need.path.rstrip("/").split("/")
        for depth, folder in enumerate(folders):
            if before[: depth + 1] != tuple(folders[: depth + 1]):
                yield f"    {'  ' * depth}{folder}/"
        before = (*folders, name)
        shown = f"{'  ' * len(folders)}{name}{'/' * need.path.endswith('/')}"
        yield f"    {shown:<40} {need.what}: {need.source}"


def checked_as_dict(found: CheckedSplit) -> dict[str, Any]:
    """Return what was found of a split as JSON has it."""
    return {
        "task": found.task,
        "split": found.split,
        "role": found.role,
        "directory": str(found.directory),
        "complete": found.complete,
        "missing_files": [n.path for n in found.absent],
        "records": found.records,
        "published_records": found.published,
        "answers": None if found.answers is None else dict(found.answers),
        "majority_accuracy": found.majority,
        "bad_rows": [{"where": p.where, "what": p.what} for p in found.bad],
        "missing_pictures": [{"where": p.where, "what": p.what} for p in found.missing],
    }


def checked_lines(found: CheckedSplit) -> Iterator[str]:
    """Say what was found of a split, and everything that is missing."""
    place = f"{found.task}:{found.directory}@{found.split}"
    if found.absent:
        count = len(found.absent)
        missing = "files or folders are" if count > 1 else "file or folder is"
        yield f"{place}: {count} {missing} missing"
        for need in found.absent:
            yield f"  {need.path}: {need.what}, from {need.source}"
        return
    yield f"{place}: {found.records} records{_beside(found)}{_shares(found)}"
    for problems in (found.missing, found.bad):
        yield from _listed([str(problem) for problem in problems])


def _beside(found: CheckedSplit) -> str:
    if found.published is None:
        return ""
    agrees = "as published" if found.published == found.records else f"{found.published} published"
    return f" ({agrees})"


def _shares(found: CheckedSplit) -> str:
    if not found.answers or found.majority is None:
        return ""
    shares = ", ".join(
        f"{name} {count / sum(found.answers.values()):.1%}" for name, count in found.answers.items()
    )
    return f"; {shares}; always the most frequent: {found.majority:.1%}"


def _listed(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:_MOST_SHOWN])
    if len(lines) > _MOST_SHOWN:
        yield f"  … and {len(lines) - _MOST_SHOWN} more"
