"""Bins of what was seen, and how far two histograms are apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from superneurons.shortcut.reference import EDGES, bin_of, counted, measured, psi, psi_by_chance


@pytest.mark.parametrize("level", [0, 51, 255])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (640, 480)])
def test_a_grey_picture_is_as_bright_as_it_is(level: int, size: tuple[int, int]) -> None:
    found = measured(Image.new("RGB", size, (level, level, level)))
    assert found["brightness"] == pytest.approx(level / 255)
    assert found["side"] == pytest.approx(math.sqrt(size[0] * size[1]))
    assert found["aspect"] == pytest.approx(size[0] / size[1])


def test_a_few_points_tell_about_the_brightness_of_all() -> None:
    rng = np.random.default_rng(0)
    pixels = np.clip(rng.normal(140, 40, (300, 500, 3)), 0, 255).astype(np.uint8)
    exact = Image.fromarray(pixels).convert("L")
    found = measured(Image.fromarray(pixels))["brightness"]
    assert found == pytest.approx(np.asarray(exact).mean() / 255, abs=0.02)


@pytest.mark.parametrize("name", EDGES)
def test_every_value_is_in_one_bin(name: str) -> None:
    edges = EDGES[name]
    assert list(edges) == sorted(set(edges))
    assert bin_of(name, 0) == 0
    assert bin_of(name, 1e9) == len(edges)
    for number, edge in enumerate(edges):
        assert bin_of(name, edge) == number + 1
        assert bin_of(name, math.nextafter(edge, 0)) == number
    assert counted(name, [0, 1e9, 1e9]) == [1, *[0] * (len(edges) - 1), 2]


def test_the_index_is_0_for_equal_shares_symmetric_and_grows() -> None:
    even, skewed, more = [50, 50], [70, 30], [90, 10]
    assert psi(even, [500, 500]) == pytest.approx(0)
    assert psi(even, skewed) == pytest.approx(psi(skewed, even))
    assert 0 < psi(even, skewed) < psi(even, more)
    p, q = np.array([50.5, 50.5]) / 101, np.array([70.5, 30.5]) / 101
    assert psi(even, skewed) == pytest.approx(float(((q - p) * np.log(q / p)).sum()))


def test_empty_bins_are_no_infinity() -> None:
    assert math.isfinite(psi([100, 0, 0], [0, 0, 100]))
    assert psi([0, 0], [0, 0]) == 0


def test_where_nothing_changed_the_index_is_what_chance_makes_of_it() -> None:
    rng = np.random.default_rng(0)
    shares = np.full(8, 1 / 8)
    drawn = [
        psi(rng.multinomial(400, shares).tolist(), rng.multinomial(200, shares).tolist())
        for _ in range(400)
    ]
    assert np.mean(drawn) == pytest.approx(psi_by_chance(8, 400, 200), rel=0.1)
