"""Which columns of a hub dataset are a record's fields; known for mirrors of published tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from superneurons.task.lettered import LETTERS
from superneurons.task.published.blink import blink_question
from superneurons.task.published.coco import group_of

__all__ = ["MIRRORS", "Columns", "columns_of", "label_of"]

_LETTER = re.compile(r"\(?([A-Z])\)?\.?")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a record's fields are.

    Parameters
    ----------
    image
        One column or more, each with a picture; those that are empty in a row are left out.
    question, label, options, group, id
        A column each, or none.
    asked
        The question of rows without one.
    pictured
        Whether rows without any picture are none of the task's, and left out.
    finish
        What is done to the fields of each row; gets the name of the dataset's configuration, too.
    """

    image: tuple[str, ...] = ("image",)
    question: str | None = "question"
    label: str | None = "label"
    options: str | None = None
    group: str | None = None
    id: str | None = None
    asked: str | None = None
    pictured: bool = False
    finish: Callable[[dict[str, Any], str], dict[str, Any]] | None = None

    def named(self) -> dict[str, str]:
        """Return each column that is looked for, with the field it is for."""
        single = {field: getattr(self, field) for field in _FIELDS}
        return dict.fromkeys(self.image, "image") | {
            column: field for field, column in single.items() if column is not None
        }


_FIELDS = ("question", "label", "options", "group", "id")


def columns_of(name: str) -> Columns | None:
    """Return what is known of a dataset, by the last two parts of its name: owner and dataset.

    Examples
    --------
    >>> columns_of("copies/lmms-lab/POPE").label
    'answer'
    >>> columns_of("nobody/knows") is None
    True
    """
    return MIRRORS.get("/".join(PurePosixPath(name.replace("\\", "/")).parts[-2:]).lower())


def label_of(value: Any, options: Any) -> Any:
    """Return the option that a label means: by number from 0, by its text, or by its letter.

    Examples
    --------
    >>> [label_of(value, ["cab", "train"]) for value in (1, "cab", "(B)", "A.", "bus", None)]
    ['train', 'cab', 'train', 'cab', 'bus', None]
    """
    if not isinstance(options, list) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return options[value] if 0 <= value < len(options) else value
    letter = _LETTER.fullmatch(value) if isinstance(value, str) and value not in options else None
    index = LETTERS.index(letter[1]) if letter else len(options)
    return options[index] if index < len(options) else value


def _pope(values: dict[str, Any], _: str) -> dict[str, Any]:
    shown = values.get("group")
    return {**values, "group": group_of(shown) if isinstance(shown, str) and shown else None}


def _blink(values: dict[str, Any], config: str) -> dict[str, Any]:
    question, options = values.get("question"), values.get("options")
    if not isinstance(question, str) or not isinstance(options, list):
        return values
    label = values.get("label")
    letter = LETTERS[options.index(label)] if label in options else label
    asked = blink_question(config, question, options)
    hidden = letter == "hidden"
    return {**values, "question": asked, "label": None if hidden else letter, "options": None}


_SCIENCEQA = Columns(label="answer", options="choices", pictured=True)

MIRRORS: Mapping[str, Columns] = {
    "lmms-lab/pope": Columns(label="answer", group="image_source", finish=_pope),
    "huggingfacem4/a-okvqa": Columns(
        label="correct_choice_idx", options="choices", id="question_id"
    ),
    "derek-thomas/scienceqa": _SCIENCEQA,
    "lmms-lab/scienceqa": _SCIENCEQA,
    "lmms-lab/scienceqa-img": _SCIENCEQA,
    "blink-benchmark/blink": Columns(
        image=("image_1", "image_2", "image_3", "image_4"),
        label="answer",
        options="choices",
        id="idx",
        finish=_blink,
    ),
    "timm/eurosat-rgb": Columns(
        question=None,
        id="image_id",
        asked="What type of remote sensing image does the given image belong to? "
        "Answer with the class name.",
    ),
    "timm/oxford-iiit-pet": Columns(
        question=None, asked="What type of animal is in the image? Answer with the class name."
    ),
}
"""By owner and name, in lower case."""
