from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from devices import DEVICES
from superneurons.vlm import resize
from superneurons.vlm.resize import FILTERS, Filter, resized, weights

CPU = torch.device("cpu")
PILLOW: dict[Filter, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SIZES = [(48, 64), (1, 1), (1, 37), (37, 1), (333, 517), (7, 200), (240, 320), (3000, 40)]
TARGETS = [(24, 24), (224, 301), (1, 1), (13, 640), (240, 320), (64, 48)]


def noise(height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 9 + y / 17 + turn) for turn in (0, 2, 4)]
    return (127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8)


def by_pillow(pixels: NDArray[np.uint8], size: tuple[int, int], name: Filter) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], PILLOW[name]))


def by_us(pixels: NDArray[np.uint8], size: tuple[int, int], name: Filter) -> NDArray[np.float32]:
    return resized(torch.from_numpy(pixels)[None], size, name)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", get_args(Filter))
@pytest.mark.parametrize("make", [noise, smooth])
@pytest.mark.parametrize("size", SIZES)
def test_it_gives_the_pixels_of_pillow(size: tuple[int, int], make: object, name: Filter) -> None:
    pixels = make(*size)  # type: ignore[operator]
    for target in TARGETS:
        np.testing.assert_array_equal(by_us(pixels, target, name), by_pillow(pixels, target, name))


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from(get_args(Filter)),
)
@settings(max_examples=100, deadline=None)
def test_whatever_the_sizes(size: tuple[int, int], target: tuple[int, int], name: Filter) -> None:
    pixels = noise(*size)
    np.testing.assert_array_equal(by_us(pixels, target, name), by_pillow(pixels, target, name))


@pytest.mark.parametrize(
    ("size", "target"), [((10, 20_000), (24, 48_000)), ((20_000, 10), (48_000, 24))]
)
def test_a_panorama_is_cut_before_it_is_made(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    top, left = (target[0] - 24) // 2, (target[1] - 24) // 2
    pixels = noise(*size)
    expected = by_pillow(pixels, target, "bicubic")[top : top + 24, left : left + 24]
    found = resized(torch.from_numpy(pixels)[None], target, rows=(top, 24), columns=(left, 24))
    np.testing.assert_array_equal(found[0].permute(1, 2, 0).numpy(), expected)


def test_what_lies_outside_the_picture_is_black() -> None:
    pixels = noise(30, 40)
    found = resized(torch.from_numpy(pixels)[None], (10, 12), rows=(-3, 16), columns=(2, 14))
    frame = np.zeros((16, 14, 3))
    frame[3:13, :10] = by_pillow(pixels, (10, 12), "bicubic")[:, 2:]
    np.testing.assert_array_equal(found[0].permute(1, 2, 0).numpy(), frame)


@pytest.mark.parametrize("target", [(20, 30), (20, 64), (48, 30), (5, 60), (48, 64)])
def test_in_parts_it_is_the_same(target: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.from_numpy(np.stack([noise(48, 64), smooth(48, 64)]))
    whole = resized(pictures, target)
    monkeypatch.setattr(resize, "_MOST_VALUES", 1500)
    assert torch.equal(resized(pictures, target), whole)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_is_its_pictures(device: str) -> None:
    pixels = [noise(50, 41), smooth(50, 41), np.zeros((50, 41, 3), np.uint8)]
    together = resized(torch.from_numpy(np.stack(pixels)).to(device), (24, 30))
    assert together.shape == (3, 3, 24, 30)
    for found, one in zip(together.cpu(), pixels, strict=True):
        expected = by_pillow(one, (24, 30), "bicubic")
        np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("length", "to"), [(10, 4), (4, 10), (7, 7), (1, 5), (5, 1)])
def test_weights_are_shares_of_what_is_there(name: Filter, length: int, to: int) -> None:
    table = weights(length, to, name, (0, to))
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(table * 2**22, np.round(table * 2**22))
    np.testing.assert_allclose(table[::-1, ::-1], table, atol=1e-6)
    if length == to:
        np.testing.assert_array_equal(table, np.eye(to))


def test_a_span_is_a_part_of_all_weights() -> None:
    whole = weights(50, 20, "lanczos", (0, 20))
    np.testing.assert_array_equal(weights(50, 20, "lanczos", (5, 7)), whole[5:12])
    padded = weights(50, 20, "lanczos", (-2, 25))
    np.testing.assert_array_equal(padded[2:22], whole)
    assert not padded[:2].any()
    assert not padded[22:].any()
    assert not weights(50, 20, "lanczos", (30, 4)).any()


@pytest.mark.parametrize(("length", "to"), [(640, 336), (30, 336), (480, 480), (4000, 448)])
def test_both_parts_of_the_weights_fit_into_eleven_bits(length: int, to: int) -> None:
    parts = resize._pass(length, to, "lanczos", (1, to - 1), CPU)
    assert parts is not None
    whole = torch.from_numpy(weights(length, to, "lanczos", (1, to - 1)))
    assert torch.equal(parts[0].double() + parts[1].double(), whole)
    for part, places in zip(parts, (10, 22), strict=True):
        numbers = part.double() * 2**places
        assert torch.equal(numbers, numbers.round())
        assert float(numbers.abs().max()) <= 2**11


def test_the_pictures_are_left_as_they_are() -> None:
    pictures = torch.from_numpy(noise(6, 8))[None]
    before = pictures.clone()
    assert resized(pictures, (6, 8)).dtype == torch.float32
    resized(pictures, (3, 4))
    assert torch.equal(pictures, before)
