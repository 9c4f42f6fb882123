"""easy-VQA: simple shapes in colours, with questions, out of the PyPI package of that name.

Source: V. Zhou, easy-VQA (https://github.com/vzhou842/easy-VQA), MIT licence.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from superneurons.demo.questions import NO, YES, yes_no
from superneurons.errors import MissingExtraError

__all__ = ["COLOURS", "SHAPES", "Part", "balanced_questions", "easy_questions", "picture"]

Part = Literal["train", "probe", "test"]
SHAPES = ("circle", "rectangle", "triangle")
COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")

_FIRST_PROBE = 3000
_SIDE = 128


def easy_questions(part: Part) -> list[tuple[int, str, str]]:
    """Return (picture number, question, answer) of one part.

    The official training pictures 0-2999 are "train", 3000-3999 "probe"; "test" is the official
    test split. Yes/no questions end as the embedded model expects; all else is as published.

    Raises
    ------
    MissingExtraError
        When the package ``easy-vqa`` is not installed.
    """
    text = (_folder(part) / "questions.json").read_text(encoding="utf-8")
    spoken = {"yes": YES, "no": NO}
    return [
        (number, yes_no(question) if answer in spoken else question, spoken.get(answer, answer))
        for question, answer, number in json.loads(text)
        if part == "test" or (number >= _FIRST_PROBE) == (part == "probe")
    ]


def balanced_questions(part: Part, rng: np.random.Generator) -> list[tuple[int, str, str]]:
    """Return questions of a part such that each yes/no string has both answers equally often."""
    rows = easy_questions(part)
    order = rng.permutation(len(rows))
    waiting: dict[tuple[str, str], list[int]] = {}
    kept = []
    for index in order.tolist():
        _, question, answer = rows[index]
        if answer not in (YES, NO):
            kept.append(index)
            continue
        other = waiting.get((question, NO if answer == YES else YES))
        if other:
            kept += [other.pop(), index]
        else:
            waiting.setdefault((question, answer), []).append(index)
    return [rows[index] for index in kept]


def picture(part: Part, number: int) -> Image.Image:
    """Return a picture, doubled to the 128 pixels of the other embedded tasks."""
    with Image.open(_folder(part) / "images" / f"{number}.png") as image:
        return image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)


def _folder(part: Part) -> Path:
    spec = find_spec("easy_vqa")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "The easy-VQA tasks need the package 'easy-vqa', which is not installed.",
            mend="pip install 'superneurons[demo]'",
        )
    split = "test" if part == "test" else "train"
    return Path(spec.submodule_search_locations[0]) / "data" / split
