from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from superneurons.errors import DataError
from superneurons.task.images import (
    check_images,
    embedded_image,
    image_key,
    image_keys,
    open_image,
)
from superneurons.task.notices import DataNotice
from superneurons.task.record import Record


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(size: tuple[int, int] = (32, 24), seed: int = 0) -> Image.Image:
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def test_a_lossless_file_gives_its_pixels(tmp_path: Path) -> None:
    picture = noise()
    picture.save(tmp_path / "a.png")
    opened = open_image(tmp_path / "a.png")
    assert opened.mode == "RGB"
    assert np.array_equal(np.asarray(opened), np.asarray(picture))


def test_an_opened_picture_is_not_touched() -> None:
    picture = Image.new("L", (3, 2), 7)
    opened = open_image(picture)
    opened.putpixel((0, 0), (1, 2, 3))
    assert picture.mode == "L"
    assert picture.getpixel((0, 0)) == 7


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((4, 6, 3), np.uint8)
    upright[0, 0] = (255, 0, 0)
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo(upright)))
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png")), upright)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 1, (255, 255, 255)),
        ("RGBA", (200, 100, 0, 255), (200, 100, 0)),
        ("RGBA", (200, 100, 0, 0), (255, 255, 255)),
        ("LA", (100, 0), (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("I;16", 65_535, (255, 255, 255)),
        ("I;16", 257 * 90, (90, 90, 90)),
        ("I", 257 * 90, (90, 90, 90)),
    ],
)
def test_every_mode_becomes_rgb(mode: str, colour: object, expected: tuple[int, ...]) -> None:
    assert open_image(Image.new(mode, (2, 2), colour)).getpixel((1, 1)) == expected


def test_half_transparent_is_mixed_with_white() -> None:
    red, green, blue = open_image(Image.new("RGBA", (1, 1), (0, 0, 0, 128))).getpixel((0, 0))
    assert red == green == blue
    assert abs(red - 127) <= 1


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_becomes_white(tmp_path: Path, mode: str) -> None:
    picture = Image.new(mode, (2, 1), 0)
    if mode == "P":
        picture.putpalette([0, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), {"P": 1, "RGB": (0, 0, 255), "L": 9}[mode])
    picture.save(tmp_path / "a.png", transparency={"P": 0, "RGB": (0, 0, 0), "L": 0}[mode])
    opened = open_image(tmp_path / "a.png")
    assert opened.getpixel((0, 0)) == (255, 255, 255)
    assert opened.getpixel((1, 0)) == ((9, 9, 9) if mode == "L" else (0, 0, 255))


def test_sixteen_bit_files_keep_their_range(tmp_path: Path) -> None:
    levels = np.array([[0, 257 * 10, 257 * 128, 65_535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    Image.fromarray(levels).save(tmp_path / "a.tiff")
    for name in ("a.png", "a.tiff"):
        grey = np.asarray(open_image(tmp_path / name))[..., 0]
        assert grey.tolist() == [[0, 10, 128, 255]]


def test_the_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert open_image(tmp_path / "a.gif").getpixel((0, 0)) == (255, 0, 0)


def test_pixels_of_unknown_range_are_refused() -> None:
    with pytest.raises(DataError, match="floating-point"):
        open_image(Image.new("F", (2, 2), 0.5))
    with pytest.raises(DataError, match="more than 16 bits"):
        open_image(Image.new("I", (2, 2), 70_000))


def bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        size, check = struct.pack(">I", len(body)), struct.pack(">I", zlib.crc32(kind + body))
        return size + kind + body + check

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = encoded(noise((200, 200)), "JPEG")
    damage = {
        "short.jpg": (whole[: len(whole) // 2], "cannot be decoded"),
        "short.png": (encoded(noise())[:-200], "cannot be decoded"),
        "text.png": (b"not a picture", "not a picture"),
        "empty.png": (b"", "is empty"),
        "phone.jpg": (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "HEIC picture.*save it as JPEG"),
        "film.jpg": (b"\0\0\0\x1cftypisom\0\0\0\0isomiso2", "not a picture"),
        "bomb.png": (bomb(), "pixels; make it smaller"),
    }
    for name, (data, message) in damage.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DataError, match=message) as caught:
            open_image(path)
        assert caught.value.where == str(path)
        assert caught.value.mend
    with pytest.raises(DataError, match="no such picture"):
        open_image(tmp_path / "gone.png")
    with pytest.raises(DataError, match="a directory, not a picture"):
        open_image(tmp_path)


def test_a_picture_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_image(Image.new("RGB", (10, 10))).size == (10, 10)
    with pytest.raises(DataError, match="more than 100 pixels"):
        open_image(Image.new("RGB", (11, 10)))


def test_too_little_memory_is_not_blamed_on_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted(_: Image.Image) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "getexif", exhausted)
    with pytest.raises(MemoryError):
        open_image(noise())


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_a_picture_or_a_data_error(data: bytes, cut: int) -> None:
    for blob in (data, encoded(noise((8, 8)))[:cut] + data):
        with contextlib.suppress(DataError):
            assert open_image(embedded_image(blob)).mode == "RGB"


def test_an_embedded_picture_is_decoded_late() -> None:
    short = encoded(noise((200, 200)))[:5_000]
    picture = embedded_image(short)
    assert picture.size == (200, 200)
    with pytest.raises(DataError, match="cannot be decoded"):
        open_image(picture)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "is empty"), (b"\0\0\0\x1cftypmif1\0\0\0\0", "HEIC"), (b"text" * 9, "not a picture")],
)
def test_embedded_bytes_that_are_no_picture_are_said(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        embedded_image(data)
    assert caught.value.where == "an embedded picture"


def test_a_picture_that_is_its_own_record_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    path = tmp_path / "a.png"
    with pytest.raises(DataError) as caught:
        check_images([Record((path,), "q?", id=str(path))])
    assert [str(one) for one in caught.value.problems] == [f"{path}: The file is empty."]


def test_check_images_reports_all_bad_ones_once(tmp_path: Path) -> None:
    noise().save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no")
    good, bad, gone = (tmp_path / f"{name}.png" for name in ("good", "bad", "gone"))
    broken = embedded_image(encoded(noise())[:-300])
    records = [
        Record((good,), "?", id="x.jsonl:1"),
        Record((good, bad), "?", id="x.jsonl:2"),
        Record((bad,), "?", id="x.jsonl:3"),
        Record((gone,), "?"),
        Record((broken,), "?", id="x.jsonl:5"),
    ]
    with pytest.raises(DataError, match="3 of 4 pictures") as caught:
        check_images(records)
    assert [problem.where for problem in caught.value.problems] == [
        "x.jsonl:2 and 1 more",
        "record 3",
        "x.jsonl:5",
    ]
    assert str(bad) in caught.value.problems[0].what
    check_images(records[:1] * 3)
    check_images([])


def unusual(directory: Path) -> list[Record]:
    """Pictures that are read otherwise than they are stored, and others that are not."""
    noise().save(directory / "plain.png")
    noise().convert("RGBA").save(directory / "opaque.png")
    for name in "abcd":
        Image.new("RGBA", (4, 3), (1, 2, 3, 40)).save(directory / f"clear-{name}.png")
    Image.new("CMYK", (4, 3)).save(directory / "print.jpg")
    frames = [Image.new("RGBA", (4, 4), (9, 9, 9, level)) for level in (0, 255)]
    frames[0].save(directory / "moving.webp", save_all=True, append_images=frames[1:])
    Image.fromarray(np.full((2, 2), 9_000, np.uint16)).save(directory / "deep.tiff")
    return [Record((path,), "?", id=path.name) for path in sorted(directory.iterdir())]


def test_check_images_says_once_what_is_done_to_pictures(tmp_path: Path) -> None:
    records = unusual(tmp_path)
    with pytest.warns(DataNotice) as told:
        check_images(records * 2)
    assert len(told) == 1
    said = str(told[0].message)
    assert "transparent, laid over white: 5 (clear-a.png, clear-b.png, clear-c.png …)" in said
    assert "the first counts: 1 (moving.webp)" in said
    assert "full range: 1 (deep.tiff)" in said
    assert "CMYK, converted without colour profile: 1 (print.jpg)" in said
    assert "plain" not in said
    assert "opaque" not in said


def test_check_images_says_nothing_of_plain_pictures(tmp_path: Path) -> None:
    records = [r for r in unusual(tmp_path) if r.id in ("plain.png", "opaque.png")]
    assert len(records) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_images(records)


def test_opened_pictures_are_told_by_their_records() -> None:
    clear = [Image.new("RGBA", (2, 2), (0, 0, 0, level)) for level in range(3)]
    records = [Record((clear[0], clear[1]), "?", id="x.jsonl:5"), Record((clear[2],), "?")]
    with pytest.warns(DataNotice, match=r"white: 3 \(x.jsonl:5, x.jsonl:5, record 1\)"):
        check_images(records)


def test_a_picture_that_cannot_be_used_is_an_error_before_it_is_news(tmp_path: Path) -> None:
    records = unusual(tmp_path)
    (tmp_path / "plain.png").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="is empty"):
            check_images(records)


def test_the_key_of_pixels_is_the_same_in_any_container() -> None:
    picture = noise()
    keys = {
        image_key(picture),
        image_key(picture.copy()),
        image_key(embedded_image(encoded(picture, "PNG"))),
        image_key(embedded_image(encoded(picture, "BMP"))),
    }
    assert len(keys) == 1
    assert image_key(noise(seed=1)) not in keys
    same_bytes = np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)
    assert len({image_key(Image.fromarray(pixels)) for pixels in same_bytes}) == 2


def test_the_key_of_a_file_is_where_it_really_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise().save(tmp_path / "a.png")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    spellings = [tmp_path / "a.png", Path("a.png"), Path("folder/../a.png"), Path("link.png")]
    assert len({image_key(path) for path in spellings}) == 1


def test_keys_come_per_record(tmp_path: Path) -> None:
    first, second = tmp_path / "1.png", noise()
    records = [Record((first, second), "?"), Record((second,), "?"), Record((), "?")]
    keys = image_keys(records)
    assert [len(key) for key in keys] == [2, 1, 0]
    assert keys[0][1] == keys[1][0] == image_key(second)
