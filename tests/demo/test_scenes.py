from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.demo.atlas import UNLABELLED, load_atlas
from superneurons.demo.backgrounds import SEEN_FAMILIES, UNSEEN_FAMILIES
from superneurons.demo.scenes import EMPTY, SLOTS, Scenes, concat, draw_layout, sample_scenes

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


USUAL = draw(3000, seed=7)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("angle", -0.45, 0.45),
        ("aspect", np.exp(-0.28), np.exp(0.28)),
        ("shear", -0.25, 0.25),
        ("gains", 0.55, 1.45),
        ("saturation", 0, 1.3),
        ("shape", 0, 1),
        ("contrast", 0.45, 1),
        ("light", 0.18, 1),
        ("blur", 0, 3),
        ("noise", 0, 0.045),
        ("size", 0.16, 0.52),
    ],
)
def test_what_varies_fills_its_range_and_keeps_to_it(name: str, low: float, high: float) -> None:
    values = getattr(USUAL, name)
    assert values.dtype == np.float32
    slack = 0.05 * (high - low)
    assert low - 1e-6 <= values.min() <= low + slack
    assert high - slack <= values.max() <= high + 1e-6


def test_every_field_has_the_promised_form() -> None:
    per_thing, per_scene = (3000, SLOTS), (3000,)
    shapes = {
        "sprite": per_thing, "centre": (*per_thing, 2), "size": per_thing, "angle": per_thing,
        "aspect": per_thing, "shear": per_thing, "flip": per_thing, "gains": (*per_thing, 3),
        "saturation": per_thing, "family": per_scene, "colours": (3000, 2, 3),
        "shape": (3000, 4), "contrast": per_scene, "light": per_scene, "blur": per_scene,
        "noise": per_scene, "seed": per_scene,
    }  # fmt: skip
    assert {name: values.shape for name, values in vars(USUAL).items()} == shapes
    whole = {name for name, v in vars(USUAL).items() if v.dtype == np.int64}
    assert whole == {"sprite", "family", "seed"}
    assert USUAL.flip.dtype == bool
    assert len(USUAL) == 3000
    assert len(set(USUAL.seed.tolist())) > 2990


def test_shares_of_what_happens_now_and_then() -> None:
    def share(where: np.ndarray) -> float:
        return float(np.mean(where))

    counts = np.bincount(USUAL.present.sum(1), minlength=6)[1:] / 3000
    np.testing.assert_allclose(counts, (0.14, 0.22, 0.24, 0.22, 0.18), atol=0.03)
    assert share(USUAL.flip) == pytest.approx(0.5, abs=0.03)
    assert share(USUAL.blur > 0) == pytest.approx(0.08, abs=0.02)
    assert USUAL.blur[USUAL.blur > 0].min() >= 1.5
    assert share(USUAL.light < 0.5) == pytest.approx(0.08, abs=0.02)
    dark = USUAL.light < 0.5
    assert USUAL.light[dark].max() <= 0.4
    assert USUAL.light[~dark].min() >= 0.85
    assert share(USUAL.contrast < 1) == pytest.approx(0.3, abs=0.03)
    # Colours change together: half of the things keep theirs.
    kept = (USUAL.gains == 1).all(2)
    np.testing.assert_array_equal(kept, USUAL.saturation == 1)
    assert share(kept) == pytest.approx(0.5, abs=0.03)
    families = np.bincount(USUAL.family) / 3000
    np.testing.assert_allclose(families, 1 / len(SEEN_FAMILIES), atol=0.03)


def test_things_fill_the_slots_from_the_back() -> None:
    counts = USUAL.present.sum(1, keepdims=True)
    np.testing.assert_array_equal(USUAL.present, np.arange(SLOTS) < counts)


def test_crowded_scenes_have_smaller_things() -> None:
    rng = np.random.default_rng(0)
    sizes = [
        draw_layout(np.tile(np.arange(SLOTS) < n, (1000, 1)), rng)[0] for n in range(1, SLOTS + 1)
    ]
    largest = [size.max() for size in sizes]
    np.testing.assert_allclose(largest, 0.52 * np.array([1, 0.94, 0.88, 0.82, 0.8]), rtol=0.01)
    assert sizes[0].min() == pytest.approx(0.2, rel=0.01)
    assert np.median(sizes[0]) == pytest.approx(np.sqrt(0.2 * 0.52), rel=0.03)  # evenly in octaves


def test_a_layout_is_chosen_by_the_things_that_are_there() -> None:
    few, many = (
        draw_layout(np.tile(np.arange(SLOTS) < n, (1500, 1)), np.random.default_rng(0))
        for n in (2, 5)
    )

    def closest(layout: tuple[np.ndarray, np.ndarray], n: int) -> np.ndarray:
        size, centre = layout[0][:, :n], layout[1][:, :n]
        gap = np.linalg.norm(centre[:, :, None] - centre[:, None], axis=-1)
        gap = gap / (0.5 * (size[:, :, None] + size[:, None]))
        return np.where(np.eye(n, dtype=bool), np.inf, gap).min(axis=(1, 2))

    assert (closest(few, 2) > 0.45).mean() > 0.99  # of eight layouts one is nearly always airy
    assert np.median(closest(few, 2)) > np.median(closest(many, 5))
    assert few[0].dtype == few[1].dtype == np.float32


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 29), max_size=8))
def test_taking_rows_takes_them_of_every_field(rows: list[int]) -> None:
    whole = USUAL.take(slice(0, 30))
    index = np.array(rows, dtype=np.int64)
    part = whole.take(index)
    assert len(part) == len(rows)
    for name, values in vars(whole).items():
        taken = getattr(part, name)
        np.testing.assert_array_equal(taken, values[index])
        assert not np.shares_memory(taken, values)
    chosen = np.isin(np.arange(30), rows)
    assert len(whole.take(chosen)) == len(set(rows))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=4, max_size=4))
def test_swapping_twice_is_nothing_and_once_exchanges_all_of_two_things(
    pairs: list[tuple[int, int]],
) -> None:
    before = USUAL.take(slice(0, 5))
    scenes = before.take(slice(None))
    rows = np.array([0, 1, 3, 4])  # the one between is left alone
    first, second = np.array(pairs).T
    scenes.swap_slots(rows, first, second)
    wanted = np.tile(np.arange(SLOTS), (5, 1))
    wanted[rows, first], wanted[rows, second] = second, first
    for name, values in vars(before).items():
        found = getattr(scenes, name)
        moved = values.ndim > 1 and values.shape[1] == SLOTS
        np.testing.assert_array_equal(
            found, values[np.arange(5)[:, None], wanted] if moved else values
        )
    scenes.swap_slots(rows, first, second)
    for name, values in vars(before).items():
        np.testing.assert_array_equal(getattr(scenes, name), values)


def test_classes_are_those_of_the_sprites_and_none_where_there_is_nothing() -> None:
    labels = USUAL.classes(ATLAS)
    assert (labels[~USUAL.present] == UNLABELLED).all()
    np.testing.assert_array_equal(labels[USUAL.present], ATLAS.labels[USUAL.sprite[USUAL.present]])
