"""The truth of each answer, found anew from the drawn masks."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

from superneurons.demo.atlas import load_atlas
from superneurons.demo.casting import partners, popular_classes
from superneurons.demo.questions import COUNTS
from superneurons.demo.render import cover, masks
from superneurons.demo.scenes import SLOTS, Scenes
from superneurons.demo.stage import Stage, Twins
from superneurons.demo.twin_kinds import TWIN_KINDS
from superneurons.demo.twins import make_twins

ATLAS = load_atlas()
PAIRS = 25


@cache
def twins_of(kind: str, seen: bool = True) -> Twins:
    return make_twins(
        kind, PAIRS, ATLAS, np.random.default_rng(5), pool=ATLAS.pool(seen=seen), backgrounds="seen"
    )


@cache
def raw(kind: str, n: int = 100) -> Twins:
    """Pairs as they are drawn, good or not."""
    stage = Stage(ATLAS, ATLAS.pool(seen=True), "seen", np.random.default_rng(2))
    return TWIN_KINDS[kind](stage, n)


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


@pytest.mark.parametrize("kind", sorted(TWIN_KINDS))
def test_most_kinds_waste_few_draws_and_no_kind_nearly_all(kind: str) -> None:
    twins = raw(kind)
    parts = (twins.first, twins.second, twins.questions, twins.labels)
    assert [len(part) for part in parts] == [100] * 4
    assert twins.good.shape == (100,)
    assert twins.good.dtype == bool
    assert twins.good.mean() > 0.05
    for row in np.flatnonzero(twins.good):
        first, second = twins.labels[row]
        assert first != second


@pytest.mark.parametrize("kind", sorted(TWIN_KINDS))
def test_twins_share_nothing_in_memory(kind: str) -> None:
    twins = raw(kind)
    for name, values in vars(twins.first).items():
        assert not np.shares_memory(values, getattr(twins.second, name)), name


@pytest.mark.parametrize("kind", ["left", "above", "front", "bigger", "exactly"])
def test_the_first_twin_s_answer_says_nothing(kind: str) -> None:
    first = [labels[0] for labels in raw(kind).labels]
    assert first.count("Yes") / 100 == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    "kind", ["presence-random", "presence-popular", "presence-adversarial", "animal", "choice"]
)
def test_the_thing_that_is_exchanged_can_be_seen_in_both_twins(kind: str) -> None:
    twins = raw(kind)
    good = np.flatnonzero(twins.good)
    slot = (twins.first.sprite != twins.second.sprite).argmax(1)
    assert ((twins.first.sprite != twins.second.sprite).sum(1)[good] == 1).all()
    for twin in (twins.first, twins.second):
        assert (cover(twin, ATLAS)[0][good, slot[good]] > 0.45).all()


def presence_name(question: str) -> int:
    words = re.sub(r"^(Is|Are) there (an? )?| in the picture.*$", "", question)
    return ATLAS.classes.index(words)


def test_the_three_ways_to_choose_what_is_asked_for() -> None:
    total = len(ATLAS.classes)
    asked = {
        way: [presence_name(q) for q in raw(f"presence-{way}").questions]
        for way in ("random", "popular", "adversarial")
    }
    popular = set(popular_classes(total).tolist())
    assert set(asked["popular"]) <= popular
    assert 0.1 < np.mean([label in popular for label in asked["random"]]) < 0.45
    companion = partners(total)
    twins = raw("presence-adversarial")
    for row in np.flatnonzero(twins.good):
        there = twins.second.classes(ATLAS)[row]
        host = companion[there[there >= 0]]
        assert asked["adversarial"][row] in host  # its usual companion is in both pictures


def test_pictures_without_an_animal_show_other_things() -> None:
    twins = raw("animal")
    animal = ATLAS.groups.index("animal")
    assert set(twins.first.present.sum(1).tolist()) == {1, 2, 3, 4}
    for row in np.flatnonzero(twins.good):
        first, second = (t.classes(ATLAS)[row] for t in (twins.first, twins.second))
        assert animal in ATLAS.group_of[first[first >= 0]]
        assert animal not in ATLAS.group_of[second[second >= 0]]
    assert set(twins.questions) == {"Is there an animal in the picture? Answer yes or no."}


@pytest.mark.parametrize(("kind", "axis"), [("left", 0), ("above", 1)])
def test_things_that_change_places_are_apart_and_seen(kind: str, axis: int) -> None:
    twins = raw(kind)
    good = twins.good
    moved = (twins.first.centre != twins.second.centre).any(2)
    assert (moved.sum(1) == 2).all()
    x, y = np.nonzero(moved)[1].reshape(-1, 2).T
    rows = np.arange(100)
    np.testing.assert_array_equal(twins.first.centre[rows, x], twins.second.centre[rows, y])
    np.testing.assert_array_equal(twins.first.centre[rows, y], twins.second.centre[rows, x])
    step = np.abs(twins.first.centre[rows, x, axis] - twins.first.centre[rows, y, axis])
    assert step[good].min() > 0.2
    clear = np.ones(100, dtype=bool)
    for twin in (twins.first, twins.second):
        seen = cover(twin, ATLAS)[0]
        clear &= (seen[rows, x] > 0.45) & (seen[rows, y] > 0.45)
    np.testing.assert_array_equal(good, clear & (step > 0.2))


def shares_hidden(scenes: Scenes, row: int, back: int, front: int) -> tuple[float, float, float]:
    visible, hidden, _ = cover(scenes.take(np.array([row])), ATLAS)
    return hidden[0, back, front], visible[0, back], visible[0, front]


@pytest.mark.parametrize("kind", ["front", "hides"])
def test_what_overlaps_hides_a_good_part_and_little_else_is_hidden(kind: str) -> None:
    twins = raw(kind)
    between = "in front of" if kind == "front" else "obstructing"
    ways = set()
    for row in np.flatnonzero(twins.good):
        slots = named(twins.first, row)
        x, y = (slots[name] for name in asked_pair(twins.questions[row], between))
        share, behind, ahead = shares_hidden(twins.first, row, min(x, y), max(x, y))
        assert 0.15 < share < 0.6
        assert behind > 0.9 * (1 - share)
        assert ahead > 0.8
        assert (x > y) == (twins.labels[row][0] == "Yes")
        ways.add(x > y)
    assert ways == ({True, False} if kind == "front" else {True})


def test_a_thing_is_half_as_long_again_as_the_other_and_both_are_seen() -> None:
    twins = raw("bigger")
    for row in np.flatnonzero(twins.good):
        sizes = np.stack([twins.first.size[row], twins.second.size[row]])
        x, y = np.flatnonzero(sizes[0] != sizes[1])
        assert sizes[0, [x, y]].tolist() == sizes[1, [y, x]].tolist()
        small, large = sorted(sizes[0, [x, y]].tolist())
        assert 0.2 <= small <= 0.27
        assert 1.59 < large / small < 2.11
        for which, twin in enumerate((twins.first, twins.second)):
            visible, _, area = cover(twin.take(np.array([row])), ATLAS)
            bigger, smaller = (x, y) if sizes[which, x] > sizes[which, y] else (y, x)
            assert area[0, bigger] > 1.5 * area[0, smaller]
            assert min(visible[0, [x, y]]) > 0.7


def test_one_thing_less_and_all_of_them_seen() -> None:
    twins = raw("exactly")
    more, fewer = twins.first.present, twins.second.present
    assert (more.sum(1) - fewer.sum(1) == 1).all()
    assert (fewer <= more).all()
    assert set(more.sum(1).tolist()) == {2, 3, 4, 5}
    seen = cover(twins.first, ATLAS)[0]
    np.testing.assert_array_equal(twins.good, ((seen > 0.45) | ~more).all(1))
    for row, question in enumerate(twins.questions):
        asked = COUNTS.index(question.split()[3]) + 1
        right = more if twins.labels[row][0] == "Yes" else fewer
        assert asked == right[row].sum()


def test_every_pair_of_counts_is_as_likely_as_any_other() -> None:
    twins = raw("counting", 500)
    pairs = [tuple(COUNTS.index(word) for word in labels) for labels in twins.labels]
    found = np.zeros((5, 5))
    for a, b in pairs:
        found[a, b] += 1
    assert (np.diag(found) == 0).all()
    assert np.abs(found[~np.eye(5, dtype=bool)] / 500 - 1 / 20).max() < 0.03
    kept = [pair for pair, good in zip(pairs, twins.good, strict=True) if good]
    assert np.mean(kept) == pytest.approx(2, abs=0.15)  # crowded ones aren't thrown out more
    both = twins.first.present & twins.second.present
    fewest = np.minimum(twins.first.present.sum(1), twins.second.present.sum(1))
    np.testing.assert_array_equal(both.sum(1), fewest)  # the same things, some taken away


def test_the_right_option_stands_anywhere_and_wrong_ones_are_nowhere() -> None:
    twins = raw("choice", 400)
    assert twins.options is not None
    places = np.zeros((2, 4))
    for row, (options, labels) in enumerate(zip(twins.options, twins.labels, strict=True)):
        for which, label in enumerate(labels):
            places[which, options.index(label)] += 1
        if twins.good[row]:
            assert len(set(options)) == 4
            for scenes, label in zip((twins.first, twins.second), labels, strict=True):
                assert set(options) & set(named(scenes, row)) == {label}
    assert np.abs(places / 400 - 0.25).max() < 0.08
    assert set(twins.questions) == {"What is in the picture?"}


def test_categories_have_one_or_two_things_of_different_classes_in_the_same_places() -> None:
    twins = raw("category", 400)
    np.testing.assert_array_equal(twins.first.centre, twins.second.centre)
    for row in np.flatnonzero(twins.good):
        for scenes in (twins.first, twins.second):
            labels = scenes.classes(ATLAS)[row]
            there = labels[labels >= 0]
            assert len(there) in (1, 2)
            assert len(set(there.tolist())) == len(there)
    groups = [group for labels in twins.labels for group in labels]
    shares = np.array([groups.count(name) for name in ATLAS.groups]) / len(groups)
    assert np.abs(shares - 1 / len(ATLAS.groups)).max() < 0.04
    counts = np.array([scenes.present.sum(1) for scenes in (twins.first, twins.second)])
    assert set(counts[:, twins.good].ravel().tolist()) == {1, 2}


def test_the_dark_and_the_blurred_twin_come_first_and_the_other_is_plain() -> None:
    dark, soft = raw("dark"), raw("focus")
    assert 0.12 <= dark.first.light.min() < dark.first.light.max() <= 0.28
    assert dark.second.light.min() >= 0.85
    assert 1.8 <= soft.first.blur.min() < soft.first.blur.max() <= 3.2
    assert not soft.second.blur.any()
    for twins in (dark, soft):
        assert twins.good.all()
        assert set(twins.labels) == {("Yes", "No")}
        assert len(set(twins.questions)) == 1
    assert set(dark.first.present.sum(1).tolist()) == set(range(1, SLOTS + 1))
