from __future__ import annotations

import numpy as np
import pytest
import torch

from superneurons.demo.backgrounds import (
    SEEN_FAMILIES,
    UNSEEN_FAMILIES,
    draw_colours,
    hashed_uniform,
    paint,
)

FAMILIES = SEEN_FAMILIES + UNSEEN_FAMILIES


def test_hashed_numbers_look_uniform_and_independent() -> None:
    draws = hashed_uniform(torch.arange(50), 2000, 1)
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = torch.histc(draws, bins=10, min=0, max=1)
    assert (counts / draws.numel() - 0.1).abs().max() < 0.01
    neighbours = np.corrcoef(draws[:, :-1].flatten(), draws[:, 1:].flatten())[0, 1]
    streams = np.corrcoef(draws.flatten(), hashed_uniform(torch.arange(50), 2000, 2).flatten())
    seeds = np.corrcoef(draws[0], draws[1])
    assert max(abs(neighbours), abs(streams[0, 1]), abs(seeds[0, 1])) < 0.06


def test_hashed_numbers_depend_on_the_seed_alone() -> None:
    one = hashed_uniform(torch.tensor([7, 8]), 100, 3)
    assert torch.equal(one[1:], hashed_uniform(torch.tensor([8]), 100, 3))
    assert not torch.equal(one[0], one[1])


def picture(family: int, shape: list[float], seed: int = 3) -> torch.Tensor:
    colours = torch.tensor([[[0.2, 0.3, 0.4], [0.9, 0.8, 0.7]]])
    return paint(torch.tensor([family]), colours, torch.tensor([shape]), torch.tensor([seed]), 64)[
        0
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_stays_between_its_two_colours(family: int) -> None:
    painted = picture(family, [0.2, 0.5, 0.3, 0.6])
    low, high = painted.amin(dim=(1, 2)), painted.amax(dim=(1, 2))
    assert (low >= torch.tensor([0.2, 0.3, 0.4]) - 1e-5).all()
    assert (high <= torch.tensor([0.9, 0.8, 0.7]) + 1e-5).all()
    if family != FAMILIES[0]:
        assert high[0] - low[0] > 0.2  # all but the flat one show a pattern


def test_families_look_different() -> None:
    painted = [picture(f, [0.2, 0.5, 0.3, 0.6]) for f in FAMILIES]
    for i, first in enumerate(painted):
        for second in painted[i + 1 :]:
            assert (first - second).abs().mean() > 0.02


def test_painting_a_batch_equals_painting_each() -> None:
    rng = np.random.default_rng(0)
    family = torch.arange(14) % 7
    colours = torch.from_numpy(draw_colours(14, rng))
    shape = torch.from_numpy(rng.random((14, 4)).astype(np.float32))
    seed = torch.arange(14)
    batch = paint(family, colours, shape, seed, 32)
    for i in range(14):
        row = slice(i, i + 1)
        alone = paint(family[row], colours[row], shape[row], seed[row], 32)
        torch.testing.assert_close(batch[row], alone, rtol=0, atol=1e-5)


def test_no_background_is_so_dark_that_it_looks_unlit() -> None:
    assert draw_colours(2000, np.random.default_rng(0)).min() >= 0.15


def mixed(seed: int, index: int, stream: int) -> float:
    """The same number, by whole numbers of any length."""
    state = (seed * 0x9E3779B1 + index * 0x85EBCA77 + stream * 0xC2B2AE3D) % 2**32
    state = ((state ^ state >> 16) * 0x21F0AAAD) % 2**32
    state = ((state ^ state >> 15) * 0x735A2D97) % 2**32
    return ((state ^ state >> 15) >> 8) / 2**24


def test_hashed_numbers_are_those_of_the_formula_for_any_seed() -> None:
    seeds = torch.tensor([0, 1, 12_345, 2**30 - 1])
    for stream in (0, 7, 99):
        found = hashed_uniform(seeds, 6, stream)
        assert found.dtype == torch.float32
        wanted = [[mixed(int(seed), n, stream) for n in range(6)] for seed in seeds]
        assert found.tolist() == wanted
    longer = hashed_uniform(seeds, 60, 7)
    assert torch.equal(longer[:, :6], hashed_uniform(seeds, 6, 7))


def blend(family: int, shape: list[float], seed: int = 1, size: int = 64) -> torch.Tensor:
    """How much of the second colour there is: from black to white."""
    colours = torch.tensor([[[0.0, 0, 0], [1, 1, 1]]])
    painted = paint(
        torch.tensor([family]), colours, torch.tensor([shape]), torch.tensor([seed]), size
    )
    assert torch.equal(painted[0, 0], painted[0, 2])
    return painted[0, 0]


FLAT, GRADIENT, CLOUDS, STRIPES, BLOBS, CHECKS, RINGS = range(7)


def test_a_flat_ground_is_the_first_colour() -> None:
    assert not blend(FLAT, [0.3, 0.5, 0.7, 0.2]).any()


def test_a_gradient_runs_in_its_direction_from_one_colour_to_the_other() -> None:
    line = (torch.arange(64) + 0.5) / 64
    across = blend(GRADIENT, [0, 0.5, 0.5, 0.5])
    torch.testing.assert_close(across, line.expand(64, 64), rtol=0, atol=1e-6)
    down = blend(GRADIENT, [0.25, 0.5, 0.5, 0.5])
    torch.testing.assert_close(down, line[:, None].expand(64, 64), rtol=0, atol=1e-6)
    back = blend(GRADIENT, [0.5, 0.5, 0.5, 0.5])
    torch.testing.assert_close(back, across.flip(1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("frequency", "waves"), [(0.0, 3), (1.0, 12), (1 / 3, 6)])
def test_stripes_are_as_many_as_the_shape_says(frequency: float, waves: int) -> None:
    stripes = blend(STRIPES, [0, frequency, 0, 0], size=240)
    assert (stripes - stripes[:1]).abs().max() < 1e-6  # upright
    bright = stripes[0] > 0.5
    assert int((bright[1:] & ~bright[:-1]).sum()) in (waves - 1, waves)
    assert abs(torch.fft.rfft(stripes[0] - stripes[0].mean()).abs().argmax() - waves) == 0
    shifted = blend(STRIPES, [0, frequency, 0.5, 0], size=240)
    torch.testing.assert_close(shifted, 1 - stripes, rtol=0, atol=1e-4)


def test_rings_lie_around_their_centre() -> None:
    rings = blend(RINGS, [0.9, 0.25, 0.25, 0.75], size=64)  # 6 waves
    line = (torch.arange(64) + 0.5) / 64
    away = ((line[None] - 0.25) ** 2 + (line[:, None] - 0.75) ** 2).sqrt()
    torch.testing.assert_close(
        rings, 0.5 + 0.5 * torch.sin(2 * torch.pi * 6 * away), rtol=0, atol=1e-4
    )


def test_checks_turn_over_when_one_goes_a_field_further() -> None:
    checks = blend(CHECKS, [0, 0.5, 0, 0], size=64)  # 4 waves: a field is 8 pixels wide
    torch.testing.assert_close(checks[:, 8:], 1 - checks[:, :-8], rtol=0, atol=1e-3)
    torch.testing.assert_close(checks[8:], 1 - checks[:-8], rtol=0, atol=1e-3)
    assert checks[4, 4] > 0.99
    assert checks[4, 12] < 0.01


def test_blobs_are_ten_round_spots_at_hashed_places() -> None:
    spots = blend(BLOBS, [0, 0, 0, 0], seed=5)
    place = hashed_uniform(torch.tensor([5]), 30, 7).view(10, 3).tolist()
    for x, y, _ in place:
        assert spots[int(y * 64), int(x * 64)] > 0.6
    line = (torch.arange(64) + 0.5) / 64
    far = torch.ones(64, 64, dtype=torch.bool)
    for x, y, radius in place:
        away = ((line[None] - x) ** 2 + (line[:, None] - y) ** 2).sqrt()
        far &= away > 0.04 + 0.12 * radius + 0.1
    assert far.any()
    assert spots[far].max() < 0.02


def test_clouds_differ_by_seed_only_and_are_smooth() -> None:
    one, same, other = (
        blend(CLOUDS, [shape, 0.5, 0.5, 0.5], seed=seed)
        for shape, seed in ((0.1, 3), (0.9, 3), (0.1, 4))
    )
    assert torch.equal(one, same)
    assert (one - other).abs().mean() > 0.05
    assert (one[:, 1:] - one[:, :-1]).abs().mean() < 0.06
    assert one.mean() == pytest.approx(0.5, abs=0.15)


def test_colours_are_bright_enough_and_not_too_far_apart() -> None:
    colours = draw_colours(4000, np.random.default_rng(1))
    assert colours.shape == (4000, 2, 3)
    assert colours.dtype == np.float32
    first, second = colours[:, 0], colours[:, 1]
    assert 0.25 <= first.min() < 0.26
    assert 0.99 < first.max() <= 1
    assert 0.15 <= second.min() < 0.16
    assert second.max() <= 1
    assert 0.4 < np.abs(second - first).max() <= 0.5
    assert np.abs((second - first).mean()) < 0.03
