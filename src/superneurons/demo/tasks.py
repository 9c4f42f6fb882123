"""The embedded tasks: questions about scenes and shapes, as records, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal
from zlib import crc32

from superneurons.demo import easyvqa
from superneurons.demo.questions import KINDS, NO, YES
from superneurons.errors import DataError
from superneurons.task.record import Record

if TYPE_CHECKING:  # the list of tasks is wanted without what draws their pictures: torch
    import numpy as np
    from PIL import Image

    from superneurons.demo.stage import Twins

__all__ = ["TASKS", "TaskInfo", "make_task"]

_LABELS = ("yes", "no")
_SPOKEN = {YES: "yes", NO: "no"}

Split = Literal["probe", "test"]
Sprites = Literal["seen", "unseen"]


@dataclass(frozen=True)
class TaskInfo:
    """One embedded task.

    Parameters
    ----------
    name
        As given to :func:`make_task`.
    description
        One line for a person.
    kind
        The kind of question, a key of :data:`superneurons.demo.questions.KINDS`, or "easyvqa".
    trained
        Whether the embedded model was trained on such questions.
    labels
        All answers; empty where each record brings its own options.
    parts
        The kinds of twins it is mixed from, in equal shares.
    """

    name: str
    description: str
    kind: str
    trained: bool
    labels: tuple[str, ...] = _LABELS
    parts: tuple[str, ...] = ()


def _scene_task(name: str, description: str, kind: str, *parts: str) -> TaskInfo:
    known = KINDS[kind]
    labels = tuple(_SPOKEN.get(answer, answer) for answer in known.answers)
    return TaskInfo(name, description, kind, known.trained, labels, parts or (name,))


_POPE = ("presence-random", "presence-popular", "presence-adversarial")
_ALL = (
    _scene_task(
        "presence",
        "Is a thing in the picture? POPE's three ways to ask, mixed",
        "presence",
        *_POPE,
    ),
    _scene_task("presence-random", "… asking for any thing", "presence"),
    _scene_task("presence-popular", "… asking for common things", "presence"),
    _scene_task("presence-adversarial", "… asking for what is usually near", "presence"),
    _scene_task("animal", "Is there an animal?", "group"),
    _scene_task("left", "Is one thing to the left of another?", "left"),
    _scene_task("above", "Is one thing above another?", "above"),
    _scene_task("front", "Which of two overlapping things is in front?", "front"),
    _scene_task("counting", "How many things are there, one to five?", "counting"),
    _scene_task("category", "What kind of thing is it?", "category"),
    _scene_task("choice", "Which of four things is there?", "choice"),
    TaskInfo("easyvqa", "easy-VQA's yes/no questions about shapes", "easyvqa", True),
    TaskInfo("easyvqa-colour", "easy-VQA: which colour?", "easyvqa", True, easyvqa.COLOURS),
    TaskInfo("easyvqa-shape", "easy-VQA: which shape?", "easyvqa", True, easyvqa.SHAPES),
    _scene_task("focus", "Is the picture out of focus?", "focus"),
    _scene_task("dark", "Is the picture too dark?", "dark"),
    _scene_task("bigger", "Is one thing bigger than another?", "bigger"),
    _scene_task("hides", "Does one thing obstruct another?", "hides"),
    _scene_task("exactly", "Are there exactly so many things?", "exactly"),
)

TASKS: dict[str, TaskInfo] = {task.name: task for task in _ALL}
"""Every embedded task, by name."""


def make_task(
    name: str,
    *,
    n: int,
    split: Split = "probe",
    sprites: Sprites = "seen",
    seed: int = 0,
) -> list[Record]:
    """Make the records of an embedded task.

    Scenes come as twins: two pictures that differ only in what decides the answer, asked the same
    question. Twins share a group. The probing split and the test split share no picture, and test
    scenes have backgrounds that no training has seen.

    Parameters
    ----------
    name
        One of :data:`TASKS`.
    n
        How many records; one fewer when odd. easy-VQA gives no more than it has.
    split
        "probe" to find neurons on, "test" to measure.
    sprites
        Drawings that the embedded model was trained on, or other drawings of the same classes.
        easy-VQA has but one kind.
    seed
        The same seed gives the same records.

    Returns
    -------
    list of Record
        Pictures are RGB, 128 × 128, opened. Labels are the words the model is to answer, in lower
        case; for multiple choice, one of the record's options.

    Raises
    ------
    DataError
        When there is no such task.
    MissingExtraError
        When the package an easy-VQA task needs is not installed.

    Examples
    --------
    >>> records = make_task("dark", n=4)
    >>> sorted(r.label for r in records)
    ['no', 'no', 'yes', 'yes']
    """
    import numpy as np

    task = _task(name)
    # Probing and test sets draw from streams of their own, whatever the seed.
    stream = (seed, crc32(name.encode()), ("probe", "test").index(split), sprites == "unseen")
    rng = np.random.default_rng(stream)
    if task.kind == "easyvqa":
        return _easy_records(task, n, split, rng)
    with _one_thread():
        return _twin_records(task, n, split, sprites, rng)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: scenes are too small to share, and threads that wait cost more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _task(name: str) -> TaskInfo:
    if name in TASKS:
        return TASKS[name]
    from superneurons.task.published.registry import published

    if name in published():
        raise DataError(
            f"{name!r} is a published task: its files are not in this package.",
            mend=f"`superneurons tasks show {name}` says what to download; then it is data: "
            f"{name}:DIR.",
        )
    near = get_close_matches(name, TASKS, n=1)
    other = [] if near else get_close_matches(name, published(), n=1)
    guess = "".join(f"Did you mean {word!r}? " for word in near)
    guess += "".join(f"Did you mean the published task {word!r}? " for word in other)
    raise DataError(
        f"There is no embedded task {name!r}.", mend=f"{guess}The tasks: {', '.join(TASKS)}."
    )


def _twin_records(
    task: TaskInfo, n: int, split: Split, sprites: Sprites, rng: np.random.Generator
) -> list[Record]:
    import numpy as np
    from PIL import Image

    from superneurons.demo.atlas import load_atlas
    from superneurons.demo.render import render
    from superneurons.demo.scenes import concat
    from superneurons.demo.twins import make_twins

    atlas = load_atlas()
    pool = atlas.pool(seen=sprites == "seen")
    shares = np.diff(np.linspace(0, n // 2, len(task.parts) + 1).round().astype(int))
    records: list[Record] = []
    for part, pairs in zip(task.parts, shares.tolist(), strict=True):
        if not pairs:
            continue
        backgrounds: Literal["seen", "unseen"] = "unseen" if split == "test" else "seen"
        twins = make_twins(part, pairs, atlas, rng, pool=pool, backgrounds=backgrounds)
        pictures = render(concat([twins.first, twins.second]), atlas).permute(0, 2, 3, 1).numpy()
        images = [Image.fromarray(picture) for picture in pictures]
        records += _paired(f"{task.name}/{split}/{sprites}/{part}", twins, images)
    return [records[i] for i in rng.permutation(len(records))]


def _paired(place: str, twins: Twins, images: list[Image.Image]) -> Iterator[Record]:
    """First twin, second twin, for each pair; ``images`` has all first twins before the second."""
    pairs = len(twins.questions)
    for i, (question, labels) in enumerate(zip(twins.questions, twins.labels, strict=True)):
        for which, label in enumerate(labels):
            yield Record(
                images=(images[which * pairs + i],),
                question=question,
                label=_SPOKEN.get(label, label),
                options=None if twins.options is None else twins.options[i],
                group=f"{place}/{i:05d}",
                id=f"{place}/{i:05d}{'ab'[which]}",
            )


def _easy_records(task: TaskInfo, n: int, split: Split, rng: np.random.Generator) -> list[Record]:
    rows = [
        (number, question, _SPOKEN.get(answer, answer))
        for number, question, answer in easyvqa.balanced_questions(split, rng)
    ]
    rows = [row for row in rows if row[2] in task.labels]
    if task.labels == _LABELS:  # these come in pairs with the same string and both answers
        chosen = rows[: n // 2 * 2]
    else:
        chosen = [rows[i] for i in rng.permutation(len(rows))[:n]]
    return [
        Record(
            images=(easyvqa.picture(split, number),),
            question=question,
            label=answer,
            group=f"easyvqa/{split}/{number}",
            id=f"{task.name}/{split}/{i:05d}",
        )
        for i, (number, question, answer) in enumerate(chosen)
    ]
