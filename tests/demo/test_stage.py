from __future__ import annotations

import numpy as np
import pytest

from superneurons.demo.atlas import load_atlas
from superneurons.demo.scenes import EMPTY
from superneurons.demo.stage import Stage, at

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
