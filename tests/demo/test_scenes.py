from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.demo.atlas import UNLABELLED, load_atlas
from superneurons.demo.backgrounds import SEEN_FAMILIES, UNSEEN_FAMILIES
from superneurons.demo.scenes import EMPTY, Scenes, concat, draw_layout, sample_scenes

ATLAS = load_atlas()
SEEN = ATLAS.pool(seen=True)


def draw(n: int, seed: int = 0, **options: object) -> Scenes:
    return sample_scenes(n, ATLAS, np.random.default_rng(seed), sprites=SEEN, **options)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_scenes() -> None:
    first, again, other = draw(50), draw(50), draw(50, seed=1)
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(again, name))
    assert not np.array_equal(first.sprite, other.sprite)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_no_scene_shows_two_things_of_a_class(seed: int) -> None:
    for row in draw(100, seed).classes(ATLAS):
        named = row[row != UNLABELLED]
        assert len(set(named.tolist())) == len(named)


def test_only_the_given_sprites_are_used() -> None:
    held_out = ATLAS.pool(seen=False)
    scenes = sample_scenes(300, ATLAS, np.random.default_rng(0), sprites=held_out)
    assert set(scenes.sprite[scenes.present].tolist()) <= set(held_out.tolist())
    assert not ATLAS.seen[scenes.sprite[scenes.present]].any()


def test_nameless_sprites_fill_about_half_of_the_slots() -> None:
    labels = ATLAS.labels.copy()
    labels[SEEN[::2]] = UNLABELLED
    atlas = type(ATLAS)(**(vars_of(ATLAS) | {"labels": labels}))
    scenes = sample_scenes(2000, atlas, np.random.default_rng(0), sprites=SEEN)
    share = (scenes.classes(atlas)[scenes.present] == UNLABELLED).mean()
    assert 0.35 < share < 0.6


def vars_of(atlas: object) -> dict[str, object]:
    return {name: getattr(atlas, name) for name in atlas.__dataclass_fields__}  # type: ignore[attr-defined]


def test_counts_are_obeyed() -> None:
    counts = np.arange(100) % 5 + 1
    scenes = draw(100, counts=counts)
    np.testing.assert_array_equal(scenes.present.sum(1), counts)
    np.testing.assert_array_equal(scenes.sprite == EMPTY, ~scenes.present)


@pytest.mark.parametrize(
    ("which", "families"), [("seen", SEEN_FAMILIES), ("unseen", UNSEEN_FAMILIES)]
)
def test_backgrounds_for_tests_are_others_than_in_training(
    which: str, families: tuple[int, ...]
) -> None:
    assert set(draw(500, backgrounds=which).family.tolist()) == set(families)
    assert not set(SEEN_FAMILIES) & set(UNSEEN_FAMILIES)


def test_plain_scenes_are_sharp_and_lit() -> None:
    plain, usual = draw(400, plain=True), draw(400)
    assert (plain.blur == 0).all()
    assert (plain.light > 0.8).all()
    assert 0 < (usual.blur > 0).mean() < 0.2
    assert 0 < (usual.light < 0.5).mean() < 0.2


def test_things_lie_on_the_canvas() -> None:
    scenes = draw(500)
    centre, size = scenes.centre[scenes.present], scenes.size[scenes.present]
    assert (centre - 0.45 * size[:, None] >= 0).all()
    assert (centre + 0.45 * size[:, None] <= 1).all()


def test_some_layouts_are_crowded_and_some_are_airy() -> None:
    present = np.ones((500, 5), dtype=bool)
    size, centre = draw_layout(present, np.random.default_rng(0))
    gap = np.linalg.norm(centre[:, :, None] - centre[:, None], axis=-1)
    gap /= 0.5 * (size[:, :, None] + size[:, None])
    closest = (gap + 10 * np.eye(5)).min(axis=(1, 2))
    assert (closest < 0.7).mean() > 0.1
    assert (closest > 0.9).mean() > 0.1


def test_taking_copies_and_concat_joins() -> None:
    scenes = draw(10)
    part = scenes.take(np.array([3, 7]))
    part.sprite[:] = 0
    assert (scenes.sprite[3] != 0).any()
    joined = concat([scenes.take(slice(0, 4)), scenes.take(slice(4, 10))])
    for name, values in vars(scenes).items():
        np.testing.assert_array_equal(values, getattr(joined, name))


def test_swapping_slots_exchanges_depth_but_no_place() -> None:
    scenes = draw(20, counts=np.full(20, 3))
    before = scenes.take(slice(None))
    rows = np.arange(20)
    scenes.swap_slots(rows, np.zeros(20, int), np.full(20, 2))
    np.testing.assert_array_equal(scenes.sprite[:, 0], before.sprite[:, 2])
    np.testing.assert_array_equal(scenes.centre[:, 2], before.centre[:, 0])
    np.testing.assert_array_equal(scenes.gains[:, 0], before.gains[:, 2])
    np.testing.assert_array_equal(scenes.sprite[:, 1], before.sprite[:, 1])
