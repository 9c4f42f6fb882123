from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from superneurons.task.notices import Treatment
from superneurons.task.rgb import has_frames, to_rgb
from unusual_pictures import exif, png_chunks


def stored(image: Image.Image, kind: str = "PNG", **options: object) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Image.open(buffer)


def treated(image: Image.Image) -> set[Treatment]:
    found: set[Treatment] = set()
    assert to_rgb(image, found).mode == "RGB"
    return found


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA"])
def test_there_is_nothing_to_say_of_plain_and_of_opaque_pictures(mode: str) -> None:
    opaque = Image.new("RGB", (4, 3), "red").convert(mode)
    assert treated(opaque) == set()
    assert treated(stored(opaque)) == set()


def test_one_clear_pixel_is_enough_to_be_transparent() -> None:
    picture = Image.new("RGBA", (4, 3), (1, 2, 3, 255))
    picture.putpixel((3, 2), (1, 2, 3, 254))
    assert treated(picture) == {"transparent"}


def test_a_transparent_colour_that_no_pixel_has_is_nothing() -> None:
    picture = Image.new("L", (4, 3), 7)
    assert treated(stored(picture, transparency=8)) == set()
    assert treated(stored(picture, transparency=7)) == {"transparent"}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_values_of_sixteen_bits_are_scaled(kind: str) -> None:
    deep = stored(Image.fromarray(np.array([[0, 257 * 9, 65_535]], np.uint16)), kind)
    found: set[Treatment] = set()
    assert np.asarray(to_rgb(deep, found))[..., 0].tolist() == [[0, 9, 255]]
    assert found == {"16-bit"}


def test_colours_of_sixteen_bits_are_scaled_and_said() -> None:
    pixels = np.array([[[257 * 9, 65_535, 0], [0, 0, 257 * 200]]], ">u2")
    deep = Image.open(io.BytesIO(png_chunks(pixels, colour=2)))
    found: set[Treatment] = set()
    assert np.asarray(to_rgb(deep, found)).tolist() == [[[9, 255, 0], [0, 0, 200]]]
    assert found == {"16-bit"}


def test_colours_of_sixteen_bits_for_all_channels_are_not_deep() -> None:
    header = b"BM" + (70 + 4).to_bytes(4, "little") + bytes(4) + (66).to_bytes(4, "little")
    header += (40).to_bytes(4, "little") + (2).to_bytes(4, "little") + (1).to_bytes(4, "little")
    header += (1).to_bytes(2, "little") + (16).to_bytes(2, "little") + (3).to_bytes(4, "little")
    header += bytes(20)
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xF800, 0x07E0, 0x001F))
    found: set[Treatment] = set()
    opened = Image.open(io.BytesIO(header + masks + b"\x00\xf8\x1f\x00"))
    assert np.asarray(to_rgb(opened, found)).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert found == set()


def test_a_transparent_grey_of_sixteen_bits_becomes_white() -> None:
    pixels = np.array([[[257 * 9], [257 * 8]]], ">u2")
    clear = (257 * 9).to_bytes(2, "big")
    deep = Image.open(io.BytesIO(png_chunks(pixels, colour=0, clear=clear)))
    found: set[Treatment] = set()
    assert np.asarray(to_rgb(deep, found))[..., 0].tolist() == [[255, 8]]
    assert found == {"16-bit", "transparent"}


def test_cmyk_is_converted_as_it_is_stored() -> None:
    inks = stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    found: set[Treatment] = set()
    red, green, blue = to_rgb(inks, found).getpixel((3, 3))
    assert (red > 250, green < 5, blue < 5) == (True, True, True)
    assert found == {"CMYK"}


@pytest.mark.parametrize(
    "data", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"]
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_data_does_not_cost_the_picture(data: bytes) -> None:
    picture = Image.new("RGB", (16, 8), "red")
    opened = stored(picture, "JPEG", exif=data)
    assert treated(opened) <= {"EXIF"}
    assert to_rgb(opened).size == (16, 8)


def test_exif_data_that_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.new("RGB", (4, 3), "red")

    def fail(_: Image.Image) -> Image.Exif:
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(Image.Image, "getexif", fail)
    assert treated(picture) == {"EXIF"}
    assert to_rgb(picture).size == (4, 3)


def test_orientation_holds_beside_exif_data_that_could_not_be_written_again() -> None:
    width_as_text = (0x0100, 2, 3, b"16\0\0")
    damaged = exif((0x0112, 3, 1, b"\6\0\0\0"), width_as_text)
    opened = stored(Image.new("RGB", (16, 8), "red"), "JPEG", exif=damaged)
    with pytest.raises(struct.error):
        ImageOps.exif_transpose(opened)
    assert to_rgb(opened).size == (8, 16)
    assert treated(opened) == set()


@pytest.mark.parametrize("mode", ["I;16", "CMYK", "P", "LA", "L"])
def test_orientation_is_applied_in_every_mode(mode: str) -> None:
    turned = Image.Exif()
    turned[0x0112] = 8
    assert to_rgb(stored(Image.new(mode, (4, 3)), "TIFF", exif=turned)).size == (3, 4)
    opened = Image.new(mode, (4, 3))
    opened.getexif()[0x0112] = 8
    assert to_rgb(opened).size == (3, 4)


@pytest.mark.parametrize("mode", ["I;16", "CMYK", "P", "RGBA", "L"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_plain_tiff_file_is_turned_with_every_pixel(
    mode: str, orientation: int, tmp_path: Path
) -> None:
    """Pillow mixes the pixels up when it opens such a file by its name."""
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    upright = Image.fromarray(levels)
    picture = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else upright
    undo = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    for _ in range(undo):
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    turned = Image.Exif()
    turned[0x0112] = orientation
    (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / "a.tiff", exif=turned)
    with Image.open(tmp_path / "a.tiff") as opened:
        shown = np.asarray(to_rgb(opened))[..., 0]
        assert np.array_equal(shown, levels)
        assert opened.filename == str(tmp_path / "a.tiff")


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="no pixels"):
        to_rgb(Image.new("RGB", (0, 3)))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_files_of_several_frames_are_told(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]
    several = stored(frames[0], kind, save_all=True, append_images=frames[1:])
    assert has_frames(several)
    red, _, blue = to_rgb(several).getpixel((1, 1))
    assert (red > 250, blue < 5) == (True, True)
    assert not has_frames(stored(frames[0], kind))
    assert not has_frames(frames[0])


def test_what_is_damaged_after_the_first_frame_is_not_the_first_frame() -> None:
    class Odd(Image.Image):
        @property
        def is_animated(self) -> bool:
            raise SyntaxError("broken")

    assert not has_frames(Odd())
    layered = Image.new("RGB", (1, 1))
    layered.format, layered.is_animated = "PSD", True  # type: ignore[attr-defined]
    assert not has_frames(layered)
