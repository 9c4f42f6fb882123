"""VizWiz-VQA asks what blind people asked; its yes/no questions are the task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record
from superneurons.task.rows import Row
from superneurons.task.unroll import balance

__all__ = ["TASKS"]

_SITE = "https://vizwiz.org/tasks-and-datasets/vqa/"
_ANSWERS = ("yes", "no")
_SEED = 0


def _file(name: str) -> Needed:
    return Needed(
        f"{name}.json",
        "VizWiz-VQA, Annotations",
        _SITE,
        also=(f"Annotations/{name}.json", f"annotations/{name}.json"),
    )


def _folder(name: str) -> Needed:
    return Needed(f"{name}/", f"VizWiz-VQA, {name} images", _SITE, also=(f"images/{name}/",))


def _split(name: str, role: str, *, balanced: bool = False) -> Split:
    file, folder = _file(name), _folder(name)
    load = _load(file, folder)

    def load_balanced(reader: Reader) -> list[Record]:
        records = load(reader)
        return [records[i] for i in balance(records, np.random.default_rng(_SEED))]

    return Split((file, folder), load_balanced if balanced else load, role)


def _load(file: Needed, folder: Needed) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        records = []
        path, base = reader.place(file), reader.place(folder)
        for row in reader.rows(path, reader.document(path)):
            answer = _most_frequent(reader, row)
            if answer is not None and answer not in _ANSWERS:
                continue
            image, question = reader.text(row, "image"), reader.text(row, "question")
            if answer is None or image is None or question is None:
                continue
            picture = reader.picture(base + image)
            if picture is not None:
                group = f"vizwiz/{image}"
                records.append(Record((picture,), question, answer, group=group, id=row.where))
        return records

    return load


def _most_frequent(reader: Reader, row: Row) -> str | None:
    """Return the answer most people gave, empty where two lead; or keep what is wrong."""
    given = row.values.get("answers")
    try:
        counts = Counter(str(one["answer"]).strip().lower() for one in given or ())
    except (TypeError, KeyError):
        counts = Counter()
    if not counts:
        reader.bad(
            row.where, f"'answers' must be a list of objects with 'answer', not {given!r:.60}"
        )
        return None
    (first, most), *rest = counts.most_common(2)
    return "" if rest and rest[0][1] == most else first


TASKS: tuple[Published, ...] = (
    Published(
        name="vizwiz",
        title="VizWiz-VQA (yes/no)",
        question="{question}",
        answers=_ANSWERS,
        splits={
            "train": _split("train", "probe"),
            "val": _split("val", "test", balanced=True),
            "val-all": _split("val", "test"),
        },
        paper="VizWiz: arXiv:1802.08218; reported on by arXiv:2603.10781, section 4",
        licence="CC BY 4.0",
        n_probe=942,
        notes=(
            "A yes/no question is one whose most frequent answer among its ten is yes or no; "
            "questions with two equally frequent answers are left out. That paper says only that "
            "it kept yes/no questions, 942 of train after balancing.",
            "Its validation set is balanced; which questions it dropped is not said. val drops at "
            "random (seed 0), val-all drops none.",
            "Test answers are not published; test is not read.",
        ),
    ),
)
