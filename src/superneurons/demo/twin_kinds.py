"""How the twins of each kind of question are made.

Every maker draws ``n`` pairs and marks those a person can tell apart; the rest are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from superneurons.demo.casting import partners, popular_classes
from superneurons.demo.questions import COUNTS, KINDS, NO, YES
from superneurons.demo.render import cover
from superneurons.demo.scenes import EMPTY, SLOTS, Scenes
from superneurons.demo.stage import Bools, Ints, Stage, Twins, at

__all__ = ["TWIN_KINDS"]

_CLEAR = 0.45
_APART = 0.2
_COVERED = (0.15, 0.6)


def _replaced(
    stage: Stage, scenes: Scenes, slot: Ints, x: Ints, y: Ints
) -> tuple[Scenes, Scenes, Bools]:
    """Put class ``x`` into the slot for one twin and ``y`` for the other."""
    rows = np.arange(len(scenes))
    others = scenes.classes(stage.atlas)
    others[rows, slot] = EMPTY
    new = [stage.sprites_of(x), stage.sprites_of(y)]
    good = (x != y) & (new[0] != EMPTY) & (new[1] != EMPTY)
    good &= ~((others == x[:, None]) | (others == y[:, None])).any(1)
    twins = []
    for sprites in new:
        twin = scenes.take(slice(None))
        twin.sprite[rows, slot] = np.where(good, sprites, twin.sprite[rows, slot])
        good &= at(stage.visible(twin), slot) > _CLEAR
        twins.append(twin)
    return twins[0], twins[1], good


def _presence(negatives: str) -> Callable[[Stage, int], Twins]:
    """POPE's three ways to choose what is asked for: any, a common one, a usual companion."""

    def make(stage: Stage, n: int) -> Twins:
        total = len(stage.atlas.classes)
        scenes = stage.scenes(n, low=2)
        slot, other = stage.slots(scenes)
        if negatives == "random":
            x = stage.rng.choice(np.unique(stage.atlas.labels[stage.pool]), n)
        elif negatives == "popular":
            x = stage.classes_drawn(n, popular_classes(total))
        else:
            x = partners(total)[at(scenes.classes(stage.atlas), other).astype(np.int64)]
        first, second, good = _replaced(stage, scenes, slot, x, stage.classes_drawn(n))
        ask = KINDS["presence"].ask
        return Twins(first, second, [ask(x=name) for name in stage.names(x)], [(YES, NO)] * n, good)

    return make


def _group(name: str) -> Callable[[Stage, int], Twins]:
    def make(stage: Stage, n: int) -> Twins:
        atlas = stage.atlas
        inside = atlas.group_of == atlas.groups.index(name)
        scenes = stage.scenes(n, high=4)
        slot, _ = stage.slots(scenes)
        x = stage.classes_drawn(n, np.flatnonzero(inside))
        y = stage.classes_drawn(n, np.flatnonzero(~inside))
        first, second, good = _replaced(stage, scenes, slot, x, y)
        labels = second.classes(atlas)
        good &= ~((labels >= 0) & inside[labels]).any(1)
        return Twins(first, second, [KINDS["group"].ask(x=name)] * n, [(YES, NO)] * n, good)

    return make


def _relation(kind: str, axis: int) -> Callable[[Stage, int], Twins]:
    """Two things that change places."""

    def make(stage: Stage, n: int) -> Twins:
        rows = np.arange(n)
        first = stage.scenes(n, low=2, high=4)
        x, y = stage.slots(first)
        second = first.take(slice(None))
        second.centre[rows, x], second.centre[rows, y] = (
            first.centre[rows, y],
            first.centre[rows, x],
        )
        step = first.centre[rows, y, axis] - first.centre[rows, x, axis]
        good = np.abs(step) > _APART
        for twin in (first, second):
            seen = stage.visible(twin)
            good &= (at(seen, x) > _CLEAR) & (at(seen, y) > _CLEAR)
        labels = [(YES, NO) if ahead else (NO, YES) for ahead in step > 0]
        return Twins(first, second, _about(stage, kind, first, x, y), labels, good)

    return make


def _about(stage: Stage, kind: str, scenes: Scenes, x: Ints, y: Ints) -> list[str]:
    """Ask about the things in two slots."""
    classes = scenes.classes(stage.atlas)
    names = zip(
        stage.names(at(classes, x).astype(np.int64)),
        stage.names(at(classes, y).astype(np.int64)),
        strict=True,
    )
    return [KINDS[kind].ask(x=a, y=b) for a, b in names]


def _overlapping(stage: Stage, n: int) -> tuple[Scenes, Ints, Ints]:
    """Scenes in which slot ``back`` lies partly behind slot ``front``."""
    rows = np.arange(n)
    scenes = stage.scenes(n, low=2, high=4)
    a, b = stage.slots(scenes)
    back, front = np.minimum(a, b), np.maximum(a, b)
    way = stage.rng.uniform(0, 2 * np.pi, n)
    reach = stage.rng.uniform(0.35, 0.7, n)
    reach = reach * 0.5 * (scenes.size[rows, back] + scenes.size[rows, front])
    moved = scenes.centre[rows, back] + np.stack([np.cos(way), np.sin(way)], 1) * reach[:, None]
    margin = 0.45 * scenes.size[rows, front, None]
    scenes.centre[rows, front] = np.clip(moved, margin, 1 - margin)
    return scenes, back, front


def _overlap_is_clear(stage: Stage, scenes: Scenes, back: Ints, front: Ints) -> Bools:
    """Tell where the front thing hides a good part of the other, and nothing else hides much."""
    visible, hidden, _ = cover(scenes, stage.atlas)
    share = hidden[np.arange(len(scenes)), back, front]
    good = (share > _COVERED[0]) & (share < _COVERED[1])
    good &= (at(visible, back) > 0.9 * (1 - share)) & (at(visible, front) > 0.8)
    return np.asarray(good)


def _front(stage: Stage, n: int) -> Twins:
    first, back, front = _overlapping(stage, n)
    second = first.take(slice(None))
    second.swap_slots(np.arange(n), back, front)
    good = _overlap_is_clear(stage, first, back, front)
    good &= _overlap_is_clear(stage, second, back, front)
    named_first = stage.rng.random(n) < 0.5
    x, y = np.where(named_first, front, back), np.where(named_first, back, front)
    labels = [(YES, NO) if yes else (NO, YES) for yes in named_first]
    return Twins(first, second, _about(stage, "front", first, x, y), labels, good)


def _hides(stage: Stage, n: int) -> Twins:
    """One thing obstructs another; in the twin it is itself obstructed, or lies beside it."""
    rows = np.arange(n)
    first, back, front = _overlapping(stage, n)
    good = _overlap_is_clear(stage, first, back, front)
    second = first.take(slice(None))
    aside = stage.rng.random(n) < 0.5
    margin = 0.45 * first.size[rows, front, None]
    free = margin + stage.rng.random((n, 2)) * (1 - 2 * margin)
    second.centre[aside, front[aside]] = free[aside]
    second.swap_slots(rows[~aside], back[~aside], front[~aside])
    visible, hidden, _ = cover(second, stage.atlas)
    apart = hidden[rows, back, front] == 0
    apart &= (at(visible, back) > _CLEAR) & (at(visible, front) > _CLEAR)
    good &= np.where(aside, apart, _overlap_is_clear(stage, second, back, front))
    questions = _about(stage, "hides", first, front, back)
    return Twins(first, second, questions, [(YES, NO)] * n, good)


def _bigger(stage: Stage, n: int) -> Twins:
    """Two things that change sizes; bigger both by length and by area, so that people agree."""
    rows = np.arange(n)
    first = stage.scenes(n, low=2, high=4)
    x, y = stage.slots(first)
    first.size[rows, x] = stage.rng.uniform(0.2, 0.27, n)
    first.size[rows, y] = first.size[rows, x] * stage.rng.uniform(1.6, 2.1, n)
    second = first.take(slice(None))
    second.size[rows, x], second.size[rows, y] = first.size[rows, y], first.size[rows, x]
    good = np.ones(n, dtype=bool)
    for twin, small, large in ((first, x, y), (second, y, x)):
        margin = 0.46 * twin.size[..., None]
        twin.centre[:] = np.clip(twin.centre, margin, 1 - margin)
        visible, _, area = cover(twin, stage.atlas)
        good &= at(area, large) > 1.5 * at(area, small)
        good &= (at(visible, x) > 0.7) & (at(visible, y) > 0.7)
    flip = stage.rng.random(n) < 0.5
    a, b = np.where(flip, x, y), np.where(flip, y, x)
    labels = [(NO, YES) if small_first else (YES, NO) for small_first in flip]
    return Twins(first, second, _about(stage, "bigger", first, a, b), labels, good)


def _exactly(stage: Stage, n: int) -> Twins:
    """A thing more or less."""
    rows = np.arange(n)
    more = stage.scenes(n, low=2)
    slot, _ = stage.slots(more)
    fewer = more.take(slice(None))
    fewer.sprite[rows, slot] = EMPTY
    good = _all_clear(stage, more)
    ask_more = stage.rng.random(n) < 0.5
    asked = np.where(ask_more, more.present.sum(1), fewer.present.sum(1))
    questions = [KINDS["exactly"].ask(n=COUNTS[count - 1]) for count in asked]
    labels = [(YES, NO) if yes else (NO, YES) for yes in ask_more]
    return Twins(more, fewer, questions, labels, good)


def _all_clear(stage: Stage, scenes: Scenes) -> Bools:
    return np.asarray(((stage.visible(scenes) > _CLEAR) | ~scenes.present).all(1))


def _counting(stage: Stage, n: int) -> Twins:
    """Two counts, each pair of counts as likely as any other."""
    more = stage.scenes(n, low=SLOTS)
    counts = np.argsort(stage.rng.random((n, SLOTS)), axis=1)[:, :2] + 1
    order = np.argsort(stage.rng.random((n, SLOTS)), axis=1)
    pair = []
    for column in range(2):
        twin = more.take(slice(None))
        twin.sprite[order >= counts[:, column, None]] = EMPTY
        pair.append(twin)
    # Judged with all things in place, so that no count is thrown out more often than another.
    good = _all_clear(stage, more)
    labels = [(COUNTS[a - 1], COUNTS[b - 1]) for a, b in counts]
    return Twins(pair[0], pair[1], [KINDS["counting"].ask()] * n, labels, good)


def _choice(stage: Stage, n: int) -> Twins:
    """Four names, of which the first twin shows one and the second another."""
    scenes = stage.scenes(n)
    slot, _ = stage.slots(scenes)
    drawn = np.stack([stage.classes_drawn(n) for _ in range(4)], axis=1)
    first, second, good = _replaced(stage, scenes, slot, drawn[:, 0], drawn[:, 1])
    good &= np.array([len(set(row)) == 4 for row in drawn.tolist()])
    for wrong in (2, 3):
        good &= ~(first.classes(stage.atlas) == drawn[:, wrong, None]).any(1)
    options = [tuple(stage.names(stage.rng.permutation(row))) for row in drawn]
    labels = [(stage.atlas.classes[a], stage.atlas.classes[b]) for a, b in drawn[:, :2]]
    return Twins(first, second, [KINDS["choice"].ask()] * n, labels, good, options)


def _category(stage: Stage, n: int) -> Twins:
    """One or two things of one group, in the twin of another."""
    atlas = stage.atlas
    scenes = stage.scenes(n, high=2)
    able = np.unique(atlas.group_of[atlas.labels[stage.pool]])
    groups = able[np.argsort(stage.rng.random((n, len(able))), axis=1)[:, :2]]
    good = np.ones(n, dtype=bool)
    pair = []
    for column in range(2):
        twin = scenes.take(slice(None))
        for group in able:
            rows = np.flatnonzero(groups[:, column] == group)
            members = np.flatnonzero(atlas.group_of == group)
            for slot in range(SLOTS):
                sprites = stage.sprites_of(stage.classes_drawn(len(rows), members))
                held = twin.present[rows, slot]
                twin.sprite[rows, slot] = np.where(held, sprites, EMPTY)
        labels = np.where(twin.present, twin.classes(atlas), -1 - np.arange(SLOTS))
        good &= np.array([len(set(row)) == SLOTS for row in labels.tolist()])
        good &= _all_clear(stage, twin)
        pair.append(twin)
    names = [(atlas.groups[a], atlas.groups[b]) for a, b in groups]
    return Twins(pair[0], pair[1], [KINDS["category"].ask()] * n, names, good)


def _light(stage: Stage, n: int) -> Twins:
    first = stage.scenes(n, plain=True)
    second = first.take(slice(None))
    first.light[:] = stage.rng.uniform(0.12, 0.28, n)
    return Twins(first, second, [KINDS["dark"].ask()] * n, [(YES, NO)] * n, np.ones(n, dtype=bool))


def _focus(stage: Stage, n: int) -> Twins:
    first = stage.scenes(n, plain=True)
    second = first.take(slice(None))
    first.blur[:] = stage.rng.uniform(1.8, 3.2, n)
    return Twins(first, second, [KINDS["focus"].ask()] * n, [(YES, NO)] * n, np.ones(n, dtype=bool))


TWIN_KINDS: dict[str, Callable[[Stage, int], Twins]] = {
    "presence-random": _presence("random"),
    "presence-popular": _presence("popular"),
    "presence-adversarial": _presence("adversarial"),
    "animal": _group("animal"),
    "left": _relation("left", 0),
    "above": _relation("above", 1),
    "front": _front,
    "counting": _counting,
    "category": _category,
    "choice": _choice,
    "focus": _focus,
    "dark": _light,
    "bigger": _bigger,
    "hides": _hides,
    "exactly": _exactly,
}
"""What makes a pair of scenes that differ only in the answer, by kind of question."""
