"""The truth of each answer, found anew from the drawn masks."""

from __future__ import annotations

import re

import numpy as np
import pytest

from superneurons.demo.atlas import load_atlas
from superneurons.demo.questions import COUNTS
from superneurons.demo.render import masks
from superneurons.demo.scenes import Scenes
from superneurons.demo.stage import Twins
from superneurons.demo.twins import make_twins

ATLAS = load_atlas()
PAIRS = 25


def twins_of(kind: str, seen: bool = True) -> Twins:
    return make_twins(
        kind, PAIRS, ATLAS, np.random.default_rng(5), pool=ATLAS.pool(seen=seen), backgrounds="seen"
    )


def sides(twins: Twins) -> list[tuple[Scenes, int, str, str]]:
    """(scenes, row, question, answer) of every picture."""
    return [
        (scenes, row, twins.questions[row], twins.labels[row][which])
        for which, scenes in enumerate((twins.first, twins.second))
        for row in range(PAIRS)
    ]


def named(scenes: Scenes, row: int) -> dict[str, int]:
    """Class name → slot."""
    labels = scenes.classes(ATLAS)[row]
    return {ATLAS.classes[c]: s for s, c in enumerate(labels) if scenes.present[row, s]}


def asked_pair(question: str, between: str) -> tuple[str, str]:
    found = re.match(rf"(?:Is|Are) the (.+) {between} the (.+)\? Answer", question)
    assert found
    return found[1], found[2]


def drawn(scenes: Scenes, row: int) -> np.ndarray:
    return masks(scenes.take(np.array([row])), ATLAS, side=128)[0].numpy() > 0.5


def changed_fields(twins: Twins) -> set[str]:
    return {
        name
        for name, values in vars(twins.first).items()
        if not np.array_equal(values, getattr(twins.second, name))
    }


@pytest.mark.parametrize("negatives", ["random", "popular", "adversarial"])
def test_presence_twins_differ_in_one_thing(negatives: str) -> None:
    twins = twins_of(f"presence-{negatives}")
    assert changed_fields(twins) == {"sprite"}
    assert ((twins.first.sprite != twins.second.sprite).sum(1) == 1).all()
    for scenes, row, question, answer in sides(twins):
        words = re.sub(r"^(Is|Are) there (an? )?| in the picture.*$", "", question)
        assert (words in named(scenes, row)) == (answer == "Yes")


def test_animal_answers_are_true() -> None:
    for scenes, row, _, answer in sides(twins_of("animal")):
        groups = {ATLAS.groups[ATLAS.group_of[ATLAS.classes.index(n)]] for n in named(scenes, row)}
        assert ("animal" in groups) == (answer == "Yes")


@pytest.mark.parametrize(
    ("kind", "between", "axis"), [("left", "to the left of", 1), ("above", "above", 0)]
)
def test_relations_hold_in_the_drawn_masks(kind: str, between: str, axis: int) -> None:
    twins = twins_of(kind)
    assert changed_fields(twins) == {"centre"}
    for scenes, row, question, answer in sides(twins):
        slots, shapes = named(scenes, row), drawn(scenes, row)
        x, y = (np.argwhere(shapes[slots[n]]).mean(0)[axis] for n in asked_pair(question, between))
        assert (x < y) == (answer == "Yes")


def test_the_thing_in_front_is_the_one_seen_where_both_are() -> None:
    for scenes, row, question, answer in sides(twins_of("front")):
        slots, shapes = named(scenes, row), drawn(scenes, row)
        x, y = (slots[name] for name in asked_pair(question, "in front of"))
        assert (shapes[x] & shapes[y]).sum() > 20
        assert (x > y) == (answer == "Yes")


def test_who_hides_whom() -> None:
    aside = 0
    for scenes, row, question, answer in sides(twins_of("hides")):
        slots, shapes = named(scenes, row), drawn(scenes, row)
        x, y = (slots[name] for name in asked_pair(question, "obstructing"))
        shared = (shapes[x] & shapes[y]).sum() / shapes[y].sum()
        assert (x > y and shared > 0.05) == (answer == "Yes")
        aside += shared < 0.02
    assert aside > 3  # not merely "in front" under another name


def test_the_bigger_thing_is_longer_and_has_more_pixels() -> None:
    for scenes, row, question, answer in sides(twins_of("bigger")):
        slots, shapes = named(scenes, row), drawn(scenes, row)
        x, y = (slots[name] for name in asked_pair(question, "bigger than"))
        assert (scenes.size[row, x] > scenes.size[row, y]) == (answer == "Yes")
        larger, smaller = (x, y) if answer == "Yes" else (y, x)
        assert shapes[larger].sum() > 1.25 * shapes[smaller].sum()


def test_exact_counts() -> None:
    for scenes, row, question, answer in sides(twins_of("exactly")):
        count = COUNTS.index(question.split()[3]) + 1
        assert (len(named(scenes, row)) == count) == (answer == "Yes")


def test_counts() -> None:
    twins = twins_of("counting")
    for scenes, row, _, answer in sides(twins):
        assert COUNTS[len(named(scenes, row)) - 1] == answer


def test_categories_are_those_of_everything_in_the_picture() -> None:
    for scenes, row, _, answer in sides(twins_of("category")):
        groups = {ATLAS.groups[ATLAS.group_of[ATLAS.classes.index(n)]] for n in named(scenes, row)}
        assert groups == {answer}


@pytest.mark.parametrize("seen", [True, False])
def test_just_one_option_is_there(seen: bool) -> None:
    twins = twins_of("choice", seen)
    assert twins.options is not None
    for scenes, row, _, answer in sides(twins):
        assert set(twins.options[row]) & set(named(scenes, row)) == {answer}


@pytest.mark.parametrize(("kind", "field"), [("focus", "blur"), ("dark", "light")])
def test_only_the_light_or_the_focus_changes(kind: str, field: str) -> None:
    assert changed_fields(twins_of(kind)) == {field}
