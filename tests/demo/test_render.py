from __future__ import annotations

import numpy as np
import pytest
import torch

from superneurons.demo.atlas import UNLABELLED, Atlas, load_atlas
from superneurons.demo.render import cover, masks, patch_targets, render
from superneurons.demo.scenes import EMPTY, Scenes, sample_scenes

ATLAS = load_atlas()


def still(n: int = 1) -> Scenes:
    """Scenes without any jitter: flat mid-grey ground, things upright and unchanged."""
    scenes = sample_scenes(
        n, SQUARES, np.random.default_rng(0), sprites=np.arange(6), counts=np.full(n, 2), plain=True
    )
    scenes.sprite[:] = EMPTY
    scenes.angle[:] = scenes.shear[:] = scenes.noise[:] = 0
    scenes.aspect[:] = scenes.gains[:] = scenes.saturation[:] = 1
    scenes.contrast[:] = scenes.light[:] = 1
    scenes.flip[:] = False
    scenes.family[:] = 0
    scenes.colours[:] = 0.5
    return scenes


def squares() -> Atlas:
    """Filled squares: red, green, blue, one whose left half is white, and two black ones."""
    pixels = torch.zeros(6, 64, 64, 4, dtype=torch.uint8)
    pixels[..., 3] = 255
    for i in range(3):
        pixels[i, ..., i] = 255
    pixels[3, :, :32, :3] = 255
    return Atlas(
        pixels=pixels,
        labels=np.array([0, 1, 2, UNLABELLED, 3, 4]),
        classes=("red", "green", "blue", "dark", "black"),
        groups=("colour",),
        group_of=np.zeros(5, dtype=np.int64),
        seen=np.ones(6, dtype=bool),
        sources=tuple("abcdef"),
    )


SQUARES = squares()


def put(scenes: Scenes, slot: int, sprite: int, x: float, y: float, size: float) -> None:
    scenes.sprite[:, slot] = sprite
    scenes.centre[:, slot] = (x, y)
    scenes.size[:, slot] = size


def test_pictures_are_reproducible_and_of_the_promised_form() -> None:
    scenes = sample_scenes(40, ATLAS, np.random.default_rng(1), sprites=ATLAS.pool(seen=True))
    first = render(scenes, ATLAS)
    assert first.shape == (40, 3, 128, 128)
    assert first.dtype == torch.uint8
    assert torch.equal(first, render(scenes, ATLAS))
    assert first.float().std(dim=(1, 2, 3)).min() > 1


def test_drawing_nothing_gives_nothing() -> None:
    assert render(still().take(slice(0, 0)), ATLAS).shape == (0, 3, 128, 128)


def test_a_thing_is_drawn_where_and_as_large_as_the_scene_says() -> None:
    scenes = still()
    put(scenes, 0, 0, x=0.25, y=0.75, size=0.25)
    picture = render(scenes, SQUARES)[0]
    red = (picture[0] > 250) & (picture[1] < 5)
    rows, columns = torch.nonzero(red, as_tuple=True)
    assert (columns.min(), columns.max()) == (16, 47)
    assert (rows.min(), rows.max()) == (80, 111)
    assert picture[:, 0, 0].tolist() == [128, 128, 128]


def test_later_slots_lie_in_front() -> None:
    scenes = still()
    put(scenes, 0, 0, 0.5, 0.5, 0.3)
    put(scenes, 1, 1, 0.5, 0.5, 0.3)
    assert render(scenes, SQUARES)[0, :, 64, 64].tolist() == [0, 255, 0]
    scenes.swap_slots(np.array([0]), np.array([0]), np.array([1]))
    assert render(scenes, SQUARES)[0, :, 64, 64].tolist() == [255, 0, 0]


def test_flipping_mirrors_and_turning_turns_clockwise() -> None:
    scenes = still(3)
    put(scenes, 0, 3, 0.5, 0.5, 0.5)
    scenes.flip[1, 0] = True
    scenes.angle[2, 0] = np.pi / 2
    plain, mirrored, turned = render(scenes, SQUARES)[:, 0].float()
    assert plain[64, 50] == 255
    assert plain[64, 78] == 0
    torch.testing.assert_close(mirrored, plain.flip(1))
    assert turned[50, 64] == 255  # what was on the left is now on top
    assert turned[78, 64] == 0


def test_light_contrast_blur_and_noise_do_what_they_say() -> None:
    scenes = still(5)
    put(scenes, 0, 3, 0.5, 0.5, 0.5)
    scenes.light[1] = 0.25
    scenes.contrast[2] = 0.5
    scenes.blur[3] = 3
    scenes.noise[4] = 0.04
    plain, dark, pale, soft, grainy = render(scenes, SQUARES).float()
    torch.testing.assert_close(dark, plain / 4, rtol=0, atol=1)
    assert pale.std() == pytest.approx(float(plain.std()) / 2, rel=0.02)
    steepest = [(p[0, 64, 1:] - p[0, 64, :-1]).abs().max() for p in (plain, soft)]
    assert steepest[1] < 0.25 * steepest[0]
    assert soft.mean() == pytest.approx(float(plain.mean()), abs=1)
    corner = grainy[:, :30, :30]
    assert corner.std() / 255 == pytest.approx(0.04, rel=0.1)


def test_gains_and_saturation_change_colours() -> None:
    scenes = still(3)
    put(scenes, 0, 0, 0.5, 0.5, 0.5)
    scenes.gains[1, 0] = (0.5, 1, 1)
    scenes.saturation[2, 0] = 0
    _, dimmed, grey = render(scenes, SQUARES)[:, :, 64, 64].tolist()
    assert dimmed == [128, 0, 0]
    assert grey == [85, 85, 85]


def test_masks_agree_with_the_picture() -> None:
    scenes = still()
    put(scenes, 0, 0, 0.25, 0.75, 0.25)
    drawn = masks(scenes, SQUARES, side=128)[0, 0] > 0.5
    red = render(scenes, SQUARES)[0, 0] > 200
    assert torch.equal(drawn, red)


def test_cover_measures_what_is_hidden() -> None:
    scenes = still()
    put(scenes, 0, 0, 0.5, 0.5, 0.25)
    put(scenes, 2, 1, 0.625, 0.5, 0.25)  # covers the right half
    visible, hidden, area = cover(scenes, SQUARES)
    assert visible[0].tolist() == pytest.approx([0.5, 0, 1, 0, 0])
    assert hidden[0, 0, 2] == pytest.approx(0.5)
    assert hidden[0, 2, 0] == 0
    assert area[0].tolist() == pytest.approx([0.0625, 0, 0.0625, 0, 0])


def test_cover_agrees_with_counting_pixels() -> None:
    scenes = sample_scenes(60, ATLAS, np.random.default_rng(4), sprites=ATLAS.pool(seen=True))
    visible, _, _ = cover(scenes, ATLAS, side=64)
    drawn = masks(scenes, ATLAS, side=64).numpy() > 0.5
    for scene in range(60):
        for slot in np.flatnonzero(scenes.present[scene]):
            ahead = drawn[scene, slot + 1 :].any(0)
            expected = (drawn[scene, slot] & ~ahead).sum() / max(drawn[scene, slot].sum(), 1)
            assert visible[scene, slot] == pytest.approx(expected, abs=1e-5)


def test_patch_targets_name_what_is_in_front_and_what_is_behind() -> None:
    scenes = still()
    put(scenes, 0, 0, 0.5, 0.5, 0.5)  # red on the 4 × 4 patches in the middle
    put(scenes, 1, 2, 0.625, 0.5, 0.25)  # blue on the middle right 2 × 2 of them
    front, hidden = (t[0].numpy() for t in patch_targets(scenes, SQUARES))
    expected = np.full((8, 8), -1)
    expected[2:6, 2:6] = 0
    expected[3:5, 4:6] = 2
    np.testing.assert_array_equal(front, expected)
    behind = np.full((8, 8), -1)
    behind[3:5, 4:6] = 0
    np.testing.assert_array_equal(hidden, behind)


def test_nameless_things_and_slivers_are_unsure() -> None:
    scenes = still()
    put(scenes, 0, 3, 0.25, 0.25, 0.25)
    put(scenes, 1, 0, 0.75 - 1 / 8 + 0.01, 0.75, 0.25)
    front, _ = patch_targets(scenes, SQUARES)
    assert front[0, 1, 1] == -100
    assert front[0, 6, 6] == -100  # a sliver of 8 % of the patch
    assert front[0, 0, 7] == -1
