"""CLEVR asks about rendered shapes; its yes/no questions are the task."""

from __future__ import annotations

from collections.abc import Callable

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record

__all__ = ["TASKS"]

_SITE = "https://cs.stanford.edu/people/jcjohns/clevr/"
_ANSWERS = ("yes", "no")


def _split(name: str, role: str) -> Split:
    file = Needed(
        f"questions/CLEVR_{name}_questions.json",
        "CLEVR v1.0 (18 GB), questions",
        _SITE,
        also=(f"CLEVR_v1.0/questions/CLEVR_{name}_questions.json",),
    )
    folder = Needed(
        f"images/{name}/",
        "CLEVR v1.0 (18 GB), images",
        _SITE,
        also=(f"CLEVR_v1.0/images/{name}/",),
    )
    return Split((file, folder), _load(file, folder), role)


def _load(file: Needed, folder: Needed) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        records = []
        path, base = reader.place(file), reader.place(folder)
        for row in reader.rows(path, reader.items(path, "questions")):
            answer = reader.text(row, "answer")
            if answer is not None and answer not in _ANSWERS:
                continue
            image, question = reader.text(row, "image_filename"), reader.text(row, "question")
            if answer is None or image is None or question is None:
                continue
            picture = reader.picture(base + image)
            if picture is not None:
                group = f"clevr/{image}"
                records.append(Record((picture,), question, answer, group=group, id=row.where))
        return records

    return load


TASKS: tuple[Published, ...] = (
    Published(
        name="clevr",
        title="CLEVR (yes/no)",
        question="{question}",
        answers=_ANSWERS,
        splits={"train": _split("train", "probe"), "val": _split("val", "test")},
        paper="CLEVR: arXiv:1612.06890; reported on by arXiv:2603.10781, section 4",
        licence="CC BY 4.0",
        n_probe=3000,
        notes=(
            "Kept are the questions that are answered by yes or no, asked as they are, as that "
            "paper says. It does not say how many it scored on: val gives all of them.",
            "Test questions are published without answers and are not read.",
        ),
    ),
)
