from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from superneurons.report.svg.heat import base64_of, best_of_neighbours, picture, ramp


def _pixels(uri: str) -> NDArray[np.uint8]:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


@given(st.integers(1, 4), st.integers(1, 60), st.integers(1, 40), st.integers(0, 9))
def test_no_score_of_a_layer_is_better_than_its_cell(
    layers: int, width: int, most: int, seed: int
) -> None:
    scores = np.random.default_rng(seed).random((layers, width)).astype(np.float32)
    cells = best_of_neighbours(scores, most)
    assert cells.scores.shape[1] <= most
    assert (np.take_along_axis(scores, cells.columns, axis=1) == cells.scores).all()
    of_cell = np.arange(width) // cells.each
    assert (scores <= cells.scores[:, of_cell]).all()
    assert (cells.columns // cells.each == np.arange(cells.scores.shape[1])).all()


def test_where_there_is_room_each_neuron_has_its_cell() -> None:
    scores = np.array([[0.6, 0.5, 0.7]], dtype=np.float32)
    cells = best_of_neighbours(scores, 3)
    assert cells.each == 1
    assert (cells.scores == scores).all()


def test_better_is_lighter_and_never_the_same_for_the_colour_blind() -> None:
    pixels = _pixels(ramp())[0].astype(float)
    light = pixels @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) >= -0.6).all()
    assert light[0] < 40 < 200 < light[-1]
    thirds = np.diff(light[[0, 85, 170, 255]])
    assert thirds.min() > 40


def test_a_picture_has_a_pixel_for_each_value() -> None:
    values = np.array([[0.5, 0.9, 0.7], [0.5, 0.5, 2.0]])
    pixels = _pixels(picture(values, 0.5, 0.9))
    assert pixels.shape == (2, 3, 3)
    assert tuple(pixels[0, 1]) == tuple(pixels[1, 2]) == (0xFD, 0xE7, 0x25)
    assert tuple(pixels[0, 0]) == tuple(pixels[1, 0]) == (0x44, 0x01, 0x54)


def test_values_without_a_range_are_drawn() -> None:
    assert _pixels(picture(np.full((2, 2), 0.5), 0.5, 0.5)).shape == (2, 2, 3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5)])
def test_numbers_come_back(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 65536, shape)
    raw = base64.b64decode(base64_of(values))
    assert (np.frombuffer(raw, "<u2").reshape(shape) == values).all()
