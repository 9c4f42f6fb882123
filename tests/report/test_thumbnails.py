from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from superneurons.report.page.thumbnail import safe_thumbnail
from superneurons.report.thumbnails import thumbnail


def opened(uri: str) -> Image.Image:
    head, _, content = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 480), (96, 72)), ((30, 20), (30, 20)), ((10, 960), (1, 96))]
)
def test_it_is_small_and_keeps_its_shape(size: tuple[int, int], expected: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(256, size=(size[1], size[0], 3)).astype(np.uint8)
    uri = thumbnail(Image.fromarray(noise))
    assert opened(uri).size == expected
    assert safe_thumbnail(uri) == uri


def test_it_looks_like_the_picture() -> None:
    picture = Image.new("RGB", (200, 100), (200, 30, 60))
    red, green, blue = np.asarray(opened(thumbnail(picture)), float).mean(axis=(0, 1))
    assert (red, green, blue) == pytest.approx((200, 30, 60), abs=4)
    assert picture.size == (200, 100)


def test_what_a_file_says_beside_its_pixels_stays_there(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif[0x8825] = {1: "N", 2: (48.0, 12.0, 0.0)}
    path = tmp_path / "here.jpg"
    Image.new("RGB", (300, 200), (9, 9, 9)).save(path, exif=exif, comment=b"at home")
    small = opened(thumbnail(path))
    assert not small.getexif()
    assert not {"comment", "icc_profile"} & small.info.keys()


def test_a_picture_that_is_gone_has_none(tmp_path: Path) -> None:
    assert thumbnail(tmp_path / "gone.png") == ""
