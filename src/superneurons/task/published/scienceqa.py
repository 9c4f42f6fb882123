"""ScienceQA: questions from schoolbooks, of which those with a picture are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from superneurons.errors import DataError
from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.choices import PAPER_TEMPLATE, chosen, options_of
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record
from superneurons.task.rows import Row

__all__ = ["TASKS"]

_REPOSITORY = "https://github.com/lupantech/ScienceQA"


def _file(name: str, what: str) -> Needed:
    also = (f"data/{name}", f"data/scienceqa/{name}", f"scienceqa/{name}")
    return Needed(name, what, _REPOSITORY, also=also)


_PROBLEMS = _file("problems.json", "all questions")
_PIDS = _file("pid_splits.json", "which questions are whose split")


def _pictures(split: str) -> Needed:
    places = (f"data/images/{split}/", f"data/scienceqa/images/{split}/", f"{split}/")
    also = (*places, f"scienceqa/images/{split}/")
    return Needed(f"images/{split}/", f"pictures, from {split}.zip", _REPOSITORY, also=also)


def _load(split: str, folder: Needed) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        base = reader.place(folder)
        found = (_record(reader, row, base) for row in _rows(reader, split))
        return [record for record in found if record is not None]

    return load


def _rows(reader: Reader, split: str) -> Iterator[Row]:
    """Yield the split's questions, in its order; those without a picture are none of ours."""
    problems, pids = reader.place(_PROBLEMS), reader.place(_PIDS)
    questions = _mapping(reader.document(problems), problems)
    for number, pid in enumerate(_listed(reader, pids, split), start=1):
        question = questions.get(pid) if isinstance(pid, str) else None
        if pid not in questions:
            reader.bad(f"{pids}:{number}", f"{split}: {pid!r:.40} is no question of {problems}")
        elif not isinstance(question, Mapping):
            reader.bad(f"{problems}:{pid}", "not a JSON object")
        elif question.get("image"):
            yield Row(f"{problems}:{pid}", {**question, "pid": pid}, question.keys())


def _listed(reader: Reader, path: str, split: str) -> list[Any]:
    found = _mapping(reader.document(path), path).get(split)
    if isinstance(found, list):
        return found
    raise DataError(
        f"There is no list {split!r}.", where=path, mend=f"Download it again from {_REPOSITORY}."
    )


def _mapping(found: Any, path: str) -> Mapping[str, Any]:
    if isinstance(found, dict):
        return found
    raise DataError(
        "The file holds no JSON object.",
        where=path,
        mend=f"Download it again from {_REPOSITORY}.",
    )


def _record(reader: Reader, row: Row, base: str) -> Record | None:
    question = reader.text(row, "question")
    options = options_of(reader, row)
    label = chosen(reader, row, "answer", options)
    image = reader.text(row, "image")
    if question is None or label is None or image is None:
        return None
    picture = reader.picture(f"{base}{row.values['pid']}/{image}")
    if picture is None:
        return None
    return Record((picture,), question, label, options, _group(picture), row.where)


def _group(picture: Path) -> str | None:
    """Name the picture by what it shows: ScienceQA keeps a copy for each question about it."""
    try:
        return f"scienceqa/{hashlib.sha256(picture.read_bytes()).hexdigest()[:32]}"
    except FileNotFoundError:  # nobody looked whether it is there
        return None


def _split(name: str, role: str, count: int) -> Split:
    folder = _pictures(name)
    return Split((_PROBLEMS, _PIDS, folder), _load(name, folder), role, count)


TASKS: tuple[Published, ...] = (
    Published(
        name="scienceqa",
        title="ScienceQA (with a picture)",
        question="{question}",
        answers=("one of two to five choices",),
        splits={
            "train": _split("train", "probe", 6_218),
            "test": _split("test", "test", 2_017),
            "val": _split("val", "test", 2_097),
        },
        paper="ScienceQA: arXiv:2209.09513; reported on by arXiv:2603.10781, section 4",
        licence="CC BY-NC-SA 4.0",
        n_probe=3000,
        unrolled=True,
        template=PAPER_TEMPLATE,
        notes=(
            "The paper doesn't say whether it reads all questions or those with a picture, nor "
            "whether it scores `val` or `test`. Read are those with a picture; `test` comes first.",
            "Hint, lecture and solution are not shown to the model.",
            "One picture is kept once per question in the files; equal files are one group.",
        ),
    ),
)
