from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.demo.atlas import UNLABELLED, Atlas, load_atlas
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


SIZES = st.integers(min_value=1, max_value=200)


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_weights_fall_as_a_power_of_the_rank(n: int) -> None:
    weights = class_weights(n)
    assert weights.shape == (n,)
    assert weights.sum() == pytest.approx(1)
    falling = np.sort(weights)[::-1]
    np.testing.assert_allclose(falling / falling[0], (np.arange(4, n + 4) / 4) ** -0.6)
    np.testing.assert_array_equal(class_weights(n), weights)  # the order is fixed


def test_the_common_classes_are_not_the_first_of_the_list() -> None:
    order = np.argsort(-class_weights(C))
    assert abs(np.corrcoef(order, np.arange(C))[0, 1]) < 0.3


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_a_quarter_of_the_classes_is_popular_and_at_least_one(n: int) -> None:
    popular, weights = popular_classes(n), class_weights(n)
    assert len(popular) == len(set(popular.tolist())) == max(n // 4, 1)
    ranks = np.argsort(np.argsort(-weights))
    assert sorted(ranks[popular].tolist()) == list(range(len(popular)))
    assert ranks[popular[0]] == 0  # the commonest first


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_companions_form_one_ring_from_common_to_rare(n: int) -> None:
    companion, at = partners(n), int(class_weights(n).argmax())
    ring = [at]
    while (at := int(companion[at])) != ring[0]:
        ring.append(at)
    assert sorted(ring) == list(range(n))
    assert class_weights(n)[ring].tolist() == sorted(class_weights(n), reverse=True)


def cards(labels: list[int], groups: list[int]) -> Atlas:
    """Blank sprites of the given classes; ``groups`` has one number per class."""
    return Atlas(
        pixels=torch.zeros(len(labels), 1, 1, 4, dtype=torch.uint8),
        labels=np.array(labels),
        classes=tuple(f"class {n}" for n in range(len(groups))),
        groups=tuple(f"group {n}" for n in range(max(groups) + 1)),
        group_of=np.array(groups, dtype=np.int64),
        seen=np.ones(len(labels), dtype=bool),
        sources=("x",) * len(labels),
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 40))
def test_five_sprites_of_five_classes_out_of_those_allowed(seed: int, n_allowed: int) -> None:
    atlas = cards([n % 12 for n in range(40)], [n % 3 for n in range(12)])
    rng = np.random.default_rng(seed)
    allowed = rng.permutation(40)[:n_allowed]
    if len(set(atlas.labels[allowed].tolist())) < 5:
        allowed = np.arange(5, 5 + n_allowed)
    drawn = draw_sprites(30, atlas, rng, allowed)
    assert drawn.shape == (30, 5)
    assert drawn.dtype == np.int64
    assert set(drawn.ravel().tolist()) <= set(allowed.tolist())
    assert all(len(set(row)) == 5 for row in atlas.labels[drawn].tolist())
    again = np.random.default_rng(seed)
    again.permutation(40)
    np.testing.assert_array_equal(draw_sprites(30, atlas, again, allowed), drawn)


def test_just_five_classes_are_all_in_every_scene() -> None:
    atlas = cards([0, 1, 2, 3, 4, 5, 0, 1], [0] * 6)
    drawn = draw_sprites(50, atlas, np.random.default_rng(0), np.array([0, 6, 1, 7, 2, 3, 5]))
    assert {tuple(sorted(row)) for row in atlas.labels[drawn].tolist()} == {(0, 1, 2, 3, 5)}
    assert set(drawn.ravel().tolist()) == {0, 6, 1, 7, 2, 3, 5}


def test_the_sprites_of_a_class_are_drawn_alike_often() -> None:
    atlas = cards([0] * 4 + [1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6])
    drawn = draw_sprites(4000, atlas, np.random.default_rng(0), np.arange(10))
    counts = np.bincount(drawn.ravel(), minlength=10)[:4]
    assert counts / counts.sum() == pytest.approx(0.25, abs=0.03)


def test_nameless_sprites_are_a_class_each_and_take_half_the_draws() -> None:
    atlas = cards([*range(20), *[UNLABELLED] * 200], list(range(20)))
    drawn = draw_sprites(2000, atlas, np.random.default_rng(0), np.arange(220))
    nameless = atlas.labels[drawn] == UNLABELLED
    assert nameless.sum(1).max() == 5  # several of them in one scene
    assert nameless.mean() == pytest.approx(0.5, abs=0.05)
    assert all(len(set(row)) == 5 for row in drawn.tolist())
    only = draw_sprites(20, atlas, np.random.default_rng(0), np.arange(20, 30))
    assert (atlas.labels[only] == UNLABELLED).all()


def test_only_a_group_of_five_classes_makes_a_scene_of_its_own() -> None:
    atlas = cards(list(range(30)), [0] * 5 + [1] * 4 + [2] * 21)
    groups = atlas.group_of[draw_sprites(6000, atlas, np.random.default_rng(0), np.arange(30))]
    alike = groups[(groups == groups[:, :1]).all(1), 0]
    assert set(alike.tolist()) == {0, 2}
    assert (alike == 0).sum() / 6000 == pytest.approx(0.12 / 3, abs=0.01)


def test_a_third_of_the_scenes_invite_the_companion_of_a_thing() -> None:
    n = 400
    atlas = cards(list(range(n)), [c % 200 for c in range(n)])  # no group has five
    companion = partners(n)
    labels = atlas.labels[draw_sprites(3000, atlas, np.random.default_rng(0), np.arange(n))]
    pairs = [bool(set(companion[row].tolist()) & set(row.tolist())) for row in labels]
    assert 0.33 < np.mean(pairs) < 0.46  # 0.35 by invitation, the rest by chance


def test_companions_that_no_sprite_shows_are_not_invited() -> None:
    n = 40
    order = np.argsort(-class_weights(n))
    atlas = cards(list(range(n)), [c % 20 for c in range(n)])
    allowed = np.sort(order[::2])  # everybody's companion is missing
    labels = atlas.labels[draw_sprites(400, atlas, np.random.default_rng(0), allowed)]
    assert set(labels.ravel().tolist()) == set(allowed.tolist())
