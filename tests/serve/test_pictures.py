"""Pictures as callers send them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from serve.asking import b64, picture
from superneurons.errors import BusyError, DataError
from superneurons.serve.doors import Doors
from superneurons.serve.limits import Budget
from superneurons.serve.pictures import FORMATS, data_of, decode
from superneurons.task.images import open_image


def decoded(data: bytes, doors: Doors | None = None, budget: int = 10**9) -> Image.Image:
    with Budget(budget).share() as share:
        return decode(data, doors or Doors(), share)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_decoded_as_a_file_is(kind: str, tmp_path: Path) -> None:
    data = picture(77, (9, 7), kind)
    (tmp_path / "file").write_bytes(data)
    found = decoded(data_of(b64(data)))
    assert (found.mode, found.size) == ("RGB", (9, 7))
    assert found.tobytes() == open_image(tmp_path / "file").tobytes()


def test_a_picture_is_turned_upright_and_made_opaque() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    Image.new("RGB", (4, 2)).save(file, "JPEG", exif=exif)
    assert decoded(file.getvalue()).size == (2, 4)
    file = BytesIO()
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(file, "PNG")
    assert decoded(file.getvalue()).getpixel((0, 0)) == (255, 255, 255)


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("L", (4, 4), level) for level in (10, 200)]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert decoded(file.getvalue()).getpixel((0, 0)) == (10, 10, 10)


def test_a_data_url_is_read_whatever_it_says_it_is() -> None:
    assert data_of(f"data:image/png;base64,{b64(b'abc')}") == b"abc"
    assert data_of(f"DATA:IMAGE/JPEG;BASE64,{b64(b'abc')}") == b"abc"


@pytest.mark.parametrize(
    "text",
    ["", "QUI", "QU I=", "QUI=\n", "file:///etc/passwd", "data:text/plain;base64,QUI=", "ftp://x/",
     "data:image/png;base64,", "../x.png", "QUI=QUI="],
)  # fmt: skip
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        data_of(text)


def test_size_is_judged_before_anything_is_decoded() -> None:
    doors = Doors(max_pixels=100)
    assert decoded(picture(size=(10, 10)), doors).size == (10, 10)
    with pytest.raises(DataError, match="11 × 10 pixels, more than 100"):
        decoded(picture(size=(11, 10))[:60], doors)  # of which only the header is there
    with pytest.raises(DataError, match="200 times"):
        decoded(picture(size=(1, 201)))


def test_memory_is_taken_before_decoding() -> None:
    budget = Budget(400)
    with budget.share() as one, budget.share() as other:
        other.take(200)
        with pytest.raises(BusyError):
            decode(picture(size=(10, 10)), Doors(), one)
        decode(picture(size=(8, 8)), Doors(), one)
        assert budget.taken == 200 + 3 * 64
