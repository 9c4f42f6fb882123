from __future__ import annotations

import numpy as np
import pytest

from superneurons.demo.atlas import load_atlas
from superneurons.demo.casting import class_weights, draw_sprites, partners, popular_classes
from superneurons.errors import DataError

ATLAS = load_atlas()
C = len(ATLAS.classes)


def cast(n: int, seed: int = 0) -> np.ndarray:
    sprites = draw_sprites(n, ATLAS, np.random.default_rng(seed), ATLAS.pool(seen=True))
    return ATLAS.labels[sprites]


def test_popular_classes_are_the_commonest() -> None:
    weights = class_weights(C)
    popular = popular_classes(C)
    assert len(popular) == C // 4
    assert weights.sum() == np.float64(1) or abs(weights.sum() - 1) < 1e-9
    assert weights[popular].min() > np.delete(weights, popular).max()
    counts = np.bincount(cast(4000).ravel(), minlength=C)
    assert counts[popular].mean() > 1.5 * np.delete(counts, popular).mean()


def test_everyone_has_one_partner_and_nobody_is_his_own() -> None:
    companion = partners(C)
    assert sorted(companion.tolist()) == list(range(C))
    assert (companion != np.arange(C)).all()


def test_partners_appear_together_more_often_than_chance() -> None:
    scenes = cast(4000)
    companion = partners(C)
    together = np.mean([companion[row[:, None]] == row[None] for row in scenes]) * 20
    strangers = np.mean([(companion[row[:, None]] + 1) % C == row[None] for row in scenes]) * 20
    assert together > 2 * strangers


def test_some_scenes_are_all_of_one_group() -> None:
    groups = ATLAS.group_of[cast(3000)]
    assert (groups == groups[:, :1]).all(1).mean() > 0.06


def test_the_order_of_slots_tells_nothing() -> None:
    popular = set(popular_classes(C).tolist())
    share = np.isin(cast(6000), list(popular)).mean(0)
    assert np.ptp(share) < 0.05


def test_too_few_classes_are_refused() -> None:
    with pytest.raises(DataError, match="these show 1"):
        draw_sprites(1, ATLAS, np.random.default_rng(0), np.flatnonzero(ATLAS.labels == 0))
