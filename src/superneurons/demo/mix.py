"""The questions that the embedded model is trained on, drawn from scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superneurons.demo.atlas import UNLABELLED, Atlas
from superneurons.demo.casting import partners, popular_classes
from superneurons.demo.questions import (
    COUNTS,
    KINDS,
    LETTERS,
    NO,
    YES,
    Ledger,
    lettered,
    unrolled,
)
from superneurons.demo.render import cover
from superneurons.demo.scenes import Scenes

__all__ = ["training_questions"]

Question = tuple[str, str]

_SHARES = {
    "presence": 0.36,
    "group": 0.1,
    "left": 0.11,
    "above": 0.11,
    "front": 0.12,
    "counting": 0.05,
    "choice": 0.07,
    "category": 0.04,
    "unrolled": 0.04,
}
_VISIBLE = 0.35
_APART = 0.12
_COVERED = (0.1, 0.65)
_CANDIDATES = 8
_MOST_CREDIT = 6
_TRIES = 4


def training_questions(
    scenes: Scenes, atlas: Atlas, rng: np.random.Generator, ledger: Ledger, per_scene: int = 6
) -> list[list[Question]]:
    """Ask up to ``per_scene`` questions about each scene, of the trained kinds only.

    Parameters
    ----------
    scenes
        Scenes of named sprites; a scene with a nameless thing gets no question.
    atlas
        Where the names are.
    rng
        Source of randomness.
    ledger
        Keeps the answers to each string even; use one for all batches.
    per_scene
        The most questions a scene gets.

    Returns
    -------
    list of list of (question, answer)
        One list per scene. The ledger may leave a scene with fewer questions, even none.
    """
    visible, hidden, _ = cover(scenes, atlas)
    labels = scenes.classes(atlas)
    kinds, odds = list(_SHARES), list(_SHARES.values())
    draws = rng.choice(kinds, size=(len(scenes), per_scene * _TRIES), p=odds)
    result = []
    for row in range(len(scenes)):
        scene = _Scene(atlas, scenes, row, labels[row], visible[row], hidden[row])
        asked = scene.asked
        if not scene.nameless:
            for kind in draws[row]:
                found = _ASK[str(kind)](scene, rng, ledger)
                if found is not None:
                    asked[found[0]] = found[1]
                if len(asked) == per_scene:
                    break
        result.append(list(asked.items()))
    return result


@dataclass
class _Scene:
    atlas: Atlas
    scenes: Scenes
    row: int
    labels: NDArray[np.int64]
    visible: NDArray[np.float32]
    hidden: NDArray[np.float32]

    def __post_init__(self) -> None:
        present = self.scenes.present[self.row]
        self.asked: dict[str, str] = {}
        self.count = int(present.sum())
        self.nameless = bool((self.labels[present] == UNLABELLED).any())
        self.all = frozenset(self.labels[present].tolist())
        self.clear = [int(s) for s in np.flatnonzero(present & (self.visible >= _VISIBLE))]

    def name(self, label: int) -> str:
        return self.atlas.classes[label]

    def slot(self, rng: np.random.Generator) -> int | None:
        return self.clear[rng.integers(len(self.clear))] if self.clear else None

    def pair(self, rng: np.random.Generator) -> tuple[int, int] | None:
        if len(self.clear) < 2:
            return None
        first, second = rng.choice(len(self.clear), 2, replace=False)
        return self.clear[first], self.clear[second]

    def absent(self, rng: np.random.Generator) -> int | None:
        """Draw an absent class: any, a popular one, or the companion of one that is there."""
        n = len(self.atlas.classes)
        way = rng.integers(3)
        if way == 0:
            label = int(rng.integers(n))
        elif way == 1:
            label = int(rng.choice(popular_classes(n)))
        else:
            label = int(partners(n)[rng.choice(list(self.all))])
        return None if label in self.all else label


def _enter(
    scene: _Scene,
    ledger: Ledger,
    question: str,
    answer: str,
    *keys: object,
    answers: Sequence[str] = (YES, NO),
    slack: int = 1,
) -> Question | None:
    """Enter a question under the keys, or under its own string; ``None`` if it is turned away."""
    if question in scene.asked:
        return None
    kept = ledger.admit(answer, *(keys or (question,)), answers=answers, slack=slack)
    return (question, answer) if kept else None


def _wording(kind: str, rng: np.random.Generator) -> int:
    return int(rng.integers(len(KINDS[kind].wordings)))


def _presence(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    there = rng.random() < 0.5
    slot = scene.slot(rng)
    label = int(scene.labels[slot]) if there and slot is not None else scene.absent(rng)
    if label is None or (there and slot is None):
        return None
    answer = YES if there else NO
    # Of the wordings in random order, the first that still wants this answer.
    for wording in rng.permutation(len(KINDS["presence"].wordings)):
        question = KINDS["presence"].ask(int(wording), x=scene.name(label))
        found = _enter(scene, ledger, question, answer)
        if found is not None:
            return found
    return None


def _group(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    group = int(rng.integers(len(scene.atlas.groups)))
    members = [
        s
        for s in range(len(scene.labels))
        if scene.labels[s] != UNLABELLED and scene.atlas.group_of[scene.labels[s]] == group
    ]
    if members and not set(members) & set(scene.clear):
        return None
    question = KINDS["group"].ask(_wording("group", rng), x=scene.atlas.groups[group])
    answer = YES if members else NO
    return _enter(scene, ledger, question, answer)


def _relation(
    kind: str, axis: int, scene: _Scene, rng: np.random.Generator, ledger: Ledger
) -> Question | None:
    pair = scene.pair(rng)
    if pair is None:
        return None
    first, second = pair
    place = scene.scenes.centre[scene.row, :, axis]
    if abs(place[first] - place[second]) < _APART:
        return None
    return _ordered(kind, bool(place[first] < place[second]), first, second, scene, rng, ledger)


def _left(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    return _relation("left", 0, scene, rng, ledger)


def _above(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    return _relation("above", 1, scene, rng, ledger)


def _front(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    low, high = _COVERED
    behind, ahead = np.nonzero((scene.hidden > low) & (scene.hidden < high))
    if not len(behind):
        return None
    which = rng.integers(len(behind))
    first, second = int(ahead[which]), int(behind[which])
    if not {first, second} <= set(scene.clear):
        return None
    if rng.random() < 0.5:
        return _ordered("front", False, second, first, scene, rng, ledger)
    return _ordered("front", True, first, second, scene, rng, ledger)


def _ordered(
    kind: str,
    holds: bool,
    first: int,
    second: int,
    scene: _Scene,
    rng: np.random.Generator,
    ledger: Ledger,
) -> Question | None:
    """Enter a question about two things, whose strings hardly repeat, under each thing's name."""
    x, y = scene.name(scene.labels[first]), scene.name(scene.labels[second])
    question = KINDS[kind].ask(_wording(kind, rng), x=x, y=y)
    answer = YES if holds else NO
    keys = ((kind, "x", x), (kind, "y", y), (kind, frozenset((x, y))))
    return _enter(scene, ledger, question, answer, *keys, slack=2)


def _counting(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    if len(scene.clear) < scene.count:
        return None
    question, answer = KINDS["counting"].ask(_wording("counting", rng)), COUNTS[scene.count - 1]
    return _enter(scene, ledger, question, answer, answers=COUNTS, slack=4)


def _category(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    groups = {int(scene.atlas.group_of[label]) for label in scene.all}
    if len(groups) > 1 or not scene.clear:
        return None
    question = KINDS["category"].ask(_wording("category", rng))
    answer, answers = scene.atlas.groups[groups.pop()], scene.atlas.groups
    return _enter(scene, ledger, question, answer, answers=answers, slack=6)


def _choice(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    slot = scene.slot(rng)
    if slot is None or ledger.credit(scene.name(scene.labels[slot])) > _MOST_CREDIT:
        return None
    right = scene.name(scene.labels[slot])
    labels = {
        label for label in (scene.absent(rng) for _ in range(_CANDIDATES)) if label is not None
    }
    # Wrong options are those that have been right too often: in the end each is right 1 in 4 times.
    wrong = sorted(map(scene.name, sorted(labels)), key=ledger.credit, reverse=True)[:3]
    if len(wrong) < 3:
        return None
    ledger.choose(right, wrong)
    options = rng.permutation([right, *wrong]).tolist()
    question = KINDS["choice"].wordings[_wording("choice", rng)]
    return lettered(question, options), LETTERS[options.index(right)]


def _unrolled(scene: _Scene, rng: np.random.Generator, ledger: Ledger) -> Question | None:
    """Ask about one option of a choice, a category or a count."""
    kind = ("choice", "category", "counting")[rng.integers(3)]
    there = bool(rng.random() < 0.5)
    if kind == "choice":
        slot = scene.slot(rng)
        label = scene.labels[slot] if there and slot is not None else scene.absent(rng)
        option = None if label is None or slot is None else scene.name(label)
    elif kind == "category":
        groups = {int(scene.atlas.group_of[label]) for label in scene.all}
        group = int(rng.integers(len(scene.atlas.groups)))
        group = next(iter(groups)) if there else group
        unclear = len(groups) > 1 or not scene.clear or (group in groups) != there
        option = None if unclear else scene.atlas.groups[group]
    else:
        count = scene.count if there else int(rng.integers(1, 6))
        unclear = len(scene.clear) < scene.count or (count == scene.count) != there
        option = None if unclear else COUNTS[count - 1]
    if option is None:
        return None
    question = unrolled(KINDS[kind].wordings[_wording(kind, rng)], option)
    answer = YES if there else NO
    return _enter(scene, ledger, question, answer)


_ASK = {
    "presence": _presence,
    "group": _group,
    "left": _left,
    "above": _above,
    "front": _front,
    "counting": _counting,
    "choice": _choice,
    "category": _category,
    "unrolled": _unrolled,
}
