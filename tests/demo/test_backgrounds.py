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
