from __future__ import annotations

import numpy as np
import pytest

from superneurons.demo.atlas import load_atlas
from superneurons.demo.backgrounds import SEEN_FAMILIES, UNSEEN_FAMILIES
from superneurons.demo.casting import class_weights
from superneurons.demo.render import cover
from superneurons.demo.scenes import EMPTY
from superneurons.demo.stage import Stage, Twins, at

ATLAS = load_atlas()


@pytest.fixture
def stage() -> Stage:
    return Stage(ATLAS, ATLAS.pool(seen=False), "unseen", np.random.default_rng(0))


def test_scenes_have_the_counts_asked_for(stage: Stage) -> None:
    counts = stage.scenes(200, low=2, high=4).present.sum(1)
    assert set(counts.tolist()) == {2, 3, 4}


def test_slots_are_two_different_things(stage: Stage) -> None:
    scenes = stage.scenes(200, low=2)
    first, second = stage.slots(scenes)
    assert (first != second).all()
    assert (at(scenes.sprite, first) != EMPTY).all()
    assert (at(scenes.sprite, second) != EMPTY).all()


def test_sprites_of_classes_come_from_the_pool(stage: Stage) -> None:
    classes = np.arange(len(ATLAS.classes))
    sprites = stage.sprites_of(classes)
    able = np.isin(classes, ATLAS.labels[stage.pool])
    assert (sprites[~able] == EMPTY).all()
    np.testing.assert_array_equal(ATLAS.labels[sprites[able]], classes[able])
    assert not ATLAS.seen[sprites[able]].any()


def test_drawn_classes_stay_among_those_asked_for(stage: Stage) -> None:
    able = np.unique(ATLAS.labels[stage.pool])
    drawn = stage.classes_drawn(300, able[:5])
    assert set(drawn.tolist()) <= set(able[:5].tolist())
    assert len(set(drawn.tolist())) == 5


def test_scenes_are_of_the_stage_s_sprites_and_backgrounds() -> None:
    for seen, backgrounds, families in (
        (True, "seen", SEEN_FAMILIES), (False, "unseen", UNSEEN_FAMILIES),
    ):  # fmt: skip
        pool = ATLAS.pool(seen=seen)
        made = Stage(ATLAS, pool, backgrounds, np.random.default_rng(0)).scenes(200)  # type: ignore[arg-type]
        assert set(made.sprite[made.present].tolist()) <= set(pool.tolist())
        assert set(made.family.tolist()) == set(families)
        assert set(made.present.sum(1).tolist()) == {1, 2, 3, 4, 5}


def test_plain_scenes_are_sharp_and_lit_where_asked_for(stage: Stage) -> None:
    plain, usual = stage.scenes(200, plain=True), stage.scenes(200)
    assert not plain.blur.any()
    assert plain.light.min() >= 0.85
    assert usual.blur.any()
    assert usual.light.min() < 0.5


def test_any_two_things_are_drawn_alike_often_and_none_where_there_is_but_one(
    stage: Stage,
) -> None:
    scenes = stage.scenes(4000, low=3, high=3)
    first, second = stage.slots(scenes)
    pairs = np.bincount(first * 3 + second, minlength=9).reshape(3, 3)
    assert (np.diag(pairs) == 0).all()
    shares = pairs[~np.eye(3, dtype=bool)] / 4000
    assert np.abs(shares - 1 / 6).max() < 0.03
    lonely = stage.scenes(50, high=1)
    first, second = stage.slots(lonely)
    assert (at(lonely.sprite, first) != EMPTY).all()
    assert (at(lonely.sprite, second) == EMPTY).all()


def test_all_sprites_of_a_class_are_drawn_alike_often(stage: Stage) -> None:
    labels = ATLAS.labels[stage.pool]
    label = int(np.bincount(labels).argmax())
    own = stage.pool[labels == label]
    assert len(own) > 1
    drawn = stage.sprites_of(np.full(3000, label))
    assert set(drawn.tolist()) == set(own.tolist())
    counts = np.array([(drawn == sprite).sum() for sprite in own])
    assert np.abs(counts / 3000 - 1 / len(own)).max() < 0.05


def test_a_class_that_the_pool_cannot_show_has_no_sprite() -> None:
    pool = np.flatnonzero(ATLAS.labels > 2)
    stage = Stage(ATLAS, pool, "seen", np.random.default_rng(0))
    sprites = stage.sprites_of(np.array([0, 3, 2, len(ATLAS.classes) - 1, 1]))
    assert (sprites == EMPTY).tolist() == [True, False, True, False, True]
    assert set(stage.classes_drawn(2000).tolist()).isdisjoint({0, 1, 2})
    assert len(stage.sprites_of(np.zeros(0, np.int64))) == 0


def test_classes_are_drawn_as_often_as_scenes_show_them(stage: Stage) -> None:
    able = np.unique(ATLAS.labels[stage.pool])
    weights = class_weights(len(ATLAS.classes))
    order = able[np.argsort(-weights[able])]
    asked = np.concatenate([order[:2], order[-2:]])
    drawn = stage.classes_drawn(6000, asked)
    shares = np.array([(drawn == label).mean() for label in asked])
    np.testing.assert_allclose(shares, weights[asked] / weights[asked].sum(), atol=0.03)
    assert shares[0] > 3 * shares[3]


def test_what_is_visible_is_what_covers_leave(stage: Stage) -> None:
    scenes = stage.scenes(20, low=3)
    np.testing.assert_array_equal(stage.visible(scenes), cover(scenes, ATLAS)[0])
    assert stage.visible(scenes).shape == (20, 5)
    assert stage.names(np.array([1, 0])) == [ATLAS.classes[1], ATLAS.classes[0]]


def test_one_value_a_scene_is_that_of_its_slot() -> None:
    values = np.arange(12).reshape(3, 4)
    assert at(values, np.array([3, 0, 2])).tolist() == [3, 4, 10]
    places = np.arange(24).reshape(3, 4, 2)
    assert at(places, np.array([0, 1, 3])).tolist() == [[0, 1], [10, 11], [22, 23]]


@pytest.mark.parametrize("with_options", [True, False])
def test_keeping_the_good_pairs_keeps_all_of_each(stage: Stage, with_options: bool) -> None:
    good = np.array([True, False, False, True])
    twins = Twins(
        stage.scenes(4), stage.scenes(4), list("abcd"), [(n, n + "!") for n in "abcd"], good,
        [(n,) for n in "abcd"] if with_options else None,
    )  # fmt: skip
    kept = twins.keep()
    assert kept.questions == ["a", "d"]
    assert kept.labels == [("a", "a!"), ("d", "d!")]
    assert kept.options == ([("a",), ("d",)] if with_options else None)
    assert kept.good.tolist() == [True, True]
    for part, whole in ((kept.first, twins.first), (kept.second, twins.second)):
        np.testing.assert_array_equal(part.sprite, whole.sprite[[0, 3]])
        np.testing.assert_array_equal(part.centre, whole.centre[[0, 3]])
    kept.first.sprite[:] = EMPTY
    assert twins.first.present.any(1).all()  # a copy
