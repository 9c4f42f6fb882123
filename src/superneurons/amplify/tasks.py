"""Text tasks whose answer is one token, with control prompts of the same form without the task.

The twelve embedded ones (three each of arithmetic, coding, poetry and logic, 40 prompts each) are
ours: the paper names neither its tasks nor its prompts. Lines of verse and sayings are old and
common; everything else was written for this.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.amplify.language import LanguageModel
from superneurons.errors import DataError, Problem

__all__ = ["TextTask", "read_tasks", "text_tasks", "unrelated_texts"]

_DATA = Path(__file__).parent / "data"
_FIELDS = ("task", "field", "prompt", "target", "control")


@dataclass(frozen=True)
class TextTask:
    """Prompts with the token that is the right continuation of each.

    Parameters
    ----------
    name
        The task.
    field
        What it belongs to: ``arithmetic``, say.
    prompts
        N of them.
    targets
        The right continuation of each, with the space before it where there is one.
    controls
        At least one prompt of the same form without the task.

    Raises
    ------
    DataError
        Without prompts or control prompts, or with another number of targets than of prompts.
    """

    name: str
    field: str
    prompts: tuple[str, ...]
    targets: tuple[str, ...]
    controls: tuple[str, ...]

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{self.name}: {what}", "there are none")
            for what, given in (("prompts", self.prompts), ("control prompts", self.controls))
            if not given
        ]
        if len(self.targets) != len(self.prompts):
            what = f"{len(self.targets)} for {len(self.prompts)} prompts"
            problems.append(Problem(f"{self.name}: targets", what))
        if problems:
            raise DataError(
                f"Task {self.name!r} cannot be used.",
                problems=problems,
                mend="Give each prompt a target, and control prompts of the same form without the "
                "task: neurons are found by the difference.",
            )

    def __len__(self) -> int:
        return len(self.prompts)

    def tokens(self, model: LanguageModel) -> NDArray[np.int64]:
        """Return the token of each target, as it follows its prompt; shape (N,), int64.

        Raises
        ------
        DataError
            Lists every prompt whose target is several tokens to this model, or changes those of
            the prompt.
        """
        found, problems = [], []
        for number, (prompt, target) in enumerate(zip(self.prompts, self.targets, strict=True)):
            before, whole = _ids(model, prompt), _ids(model, prompt + target)
            if whole[:-1] == before:
                found.append(whole[-1])
                continue
            new = len(whole) - len(before) if whole[: len(before)] == before else None
            what = "merges with the prompt" if new is None else f"is {new} tokens"
            place = f"{self.name}: prompt {number} ({prompt!r})"
            problems.append(Problem(place, f"its target {target!r} {what}"))
        if problems:
            raise DataError(
                f"Some targets are not a single token of {model.name!r}.",
                problems=problems,
                mend="Choose other words, mind the space before them (' Paris'), or leave these "
                "prompts out.",
            )
        return np.array(found, dtype=np.int64)

    def halves(self, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Part the prompts: those that choose neurons and settings, and those that are reported.

        Returns
        -------
        choosing, reporting : ndarray of int64
            Numbers of prompts in order; prompts that are alike are on the same side.

        Raises
        ------
        DataError
            When there are fewer than four prompts that differ.
        """
        different = sorted(set(self.prompts))
        if len(different) < 4:
            raise DataError(
                f"Task {self.name!r} has {len(different)} prompts that differ.",
                where=f"{self.name}: prompts",
                mend="Give at least four: half of them choose, the others are reported.",
            )
        order = np.random.default_rng(seed).permutation(len(different))
        chosen = {different[index] for index in order[: len(different) // 2]}
        choosing = np.array([prompt in chosen for prompt in self.prompts])
        return np.flatnonzero(choosing), np.flatnonzero(~choosing)

    def some(self, rows: Sequence[int] | NDArray[np.int64]) -> TextTask:
        """Return the task with these prompts; controls that stand beside prompts go with them."""
        chosen = [int(row) for row in rows]
        paired = len(self.controls) == len(self)
        return TextTask(
            self.name,
            self.field,
            tuple(self.prompts[row] for row in chosen),
            tuple(self.targets[row] for row in chosen),
            tuple(self.controls[row] for row in chosen) if paired else self.controls,
        )


def text_tasks(names: Sequence[str] | None = None) -> list[TextTask]:
    """Return the embedded tasks.

    Parameters
    ----------
    names
        Which; all twelve by default.

    Raises
    ------
    DataError
        Lists every name that is none of them.

    Examples
    --------
    >>> [len(task) for task in text_tasks(["addition", "similes"])]
    [40, 40]
    """
    every = {task.name: task for task in read_tasks(_DATA / "tasks.jsonl")}
    names = list(every) if names is None else names
    problems = [Problem("task", f"{name!r}") for name in names if name not in every]
    if problems:
        raise DataError(
            "There are no such tasks.",
            problems=problems,
            mend=f"Choose from: {', '.join(every)}.",
        )
    return [every[name] for name in names]


def unrelated_texts() -> list[str]:
    """Return beginnings of plain sentences that belong to no task, to see what else changes."""
    return (_DATA / "unrelated.txt").read_text(encoding="utf-8").splitlines()


def read_tasks(path: Path) -> list[TextTask]:
    """Read tasks from JSON Lines, one prompt a line.

    Parameters
    ----------
    path
        Each line has ``task``, ``field``, ``prompt``, ``target`` and ``control``, all of them text.

    Raises
    ------
    DataError
        When it cannot be read; lists every line that is no such object, by file and row.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(
            f"The tasks cannot be read: {error}", where=str(path), mend="Give a JSON Lines file."
        ) from error
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row, wrong = _row(line)
            rows.append(row)
            problems += [Problem(f"{path.name}:{number}", what) for what in wrong]
    if problems or not rows:
        raise DataError(
            "Some prompts cannot be used." if problems else "There are no prompts.",
            problems=problems,
            where=None if problems else str(path),
            mend=f"Give one object a line, with {', '.join(_FIELDS)} as text.",
        )
    names = dict.fromkeys((row["task"], row["field"]) for row in rows)
    return [_gathered(name, field, rows) for name, field in names]


def _gathered(name: str, field: str, rows: Sequence[dict[str, str]]) -> TextTask:
    mine = [row for row in rows if (row["task"], row["field"]) == (name, field)]
    prompts, targets, controls = (
        tuple(row[key] for row in mine) for key in ("prompt", "target", "control")
    )
    return TextTask(name, field, prompts, targets, controls)


def _row(line: str) -> tuple[dict[str, str], list[str]]:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        return {}, [f"is no JSON: {error}"]
    if not isinstance(row, dict):
        return {}, [f"is no object: {line[:40]}"]
    wrong = [
        f"{key!r} is {row.get(key)!r}, no text"
        for key in _FIELDS
        if not isinstance(row.get(key), str) or not row[key].strip()
    ]
    return row, wrong


def _ids(model: LanguageModel, text: str) -> list[int]:
    return list(model.tokenizer(text)["input_ids"])
