"""A-OKVQA asks what takes some knowledge of the world, with four choices."""

from __future__ import annotations

from collections.abc import Callable

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.choices import PAPER_TEMPLATE, chosen, options_of
from superneurons.task.published.coco import group_of, picture_folder
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record
from superneurons.task.rows import Row

__all__ = ["TASKS"]

_REPOSITORY = "https://github.com/allenai/aokvqa"


def _file(split: str) -> Needed:
    name = f"aokvqa_v1p0_{split}.json"
    return Needed(
        name,
        f"A-OKVQA 1.0, {split}",
        _REPOSITORY,
        also=(f"aokvqa/{name}", f"datasets/aokvqa/{name}"),
    )


def _load(file: Needed, folder: Needed, labelled: bool) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        path, base = reader.place(file), reader.place(folder)
        found = (_record(reader, row, base, labelled) for row in _rows(reader, path))
        return [record for record in found if record is not None]

    return load


def _rows(reader: Reader, path: str) -> list[Row]:
    return list(reader.rows(path, reader.document(path)))


def _record(reader: Reader, row: Row, base: str, labelled: bool) -> Record | None:
    before = len(reader.problems)
    question = reader.text(row, "question")
    options = options_of(reader, row)
    label = chosen(reader, row, "correct_choice_idx", options) if labelled else None
    number = row.values.get("image_id")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        reader.bad(row.where, f"'image_id' must be COCO's number of a picture, not {number!r:.40}")
    if len(reader.problems) > before or question is None:
        return None
    name = f"{number:012}.jpg"
    picture = reader.picture(base + name)
    if picture is None:
        return None
    own = row.values.get("question_id")
    identifier = own if isinstance(own, str) and own else row.where
    return Record((picture,), question, label, options, group_of(name), identifier)


def _split(name: str, role: str, count: int) -> Split:
    file, folder = _file(name), picture_folder(f"{name}2017")
    return Split((file, folder), _load(file, folder, role != "ask"), role, count)


TASKS: tuple[Published, ...] = (
    Published(
        name="aokvqa",
        title="A-OKVQA",
        question="{question}",
        answers=("one of four choices",),
        splits={
            "train": _split("train", "probe", 17_056),
            "val": _split("val", "test", 1_145),
            "test": _split("test", "ask", 6_702),
        },
        paper="A-OKVQA: arXiv:2206.01718; reported on by arXiv:2603.10781, section 4",
        licence="Apache-2.0 (repository); pictures: Flickr, terms at cocodataset.org",
        n_probe=3000,
        unrolled=True,
        template=PAPER_TEMPLATE,
        notes=(
            "The labels of `test` are not published: its records can be answered, not scored.",
            "The paper scores yes/no questions, of which 25 % are 'yes', not questions with four "
            "choices. Here the choice with the strongest 'yes' answers the question.",
            "Direct answers and rationales are not used; questions marked as hard to answer "
            "without choices count, as in the authors' multiple-choice score.",
        ),
    ),
)
