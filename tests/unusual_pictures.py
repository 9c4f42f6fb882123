"""Picture files of every kind that users bring, made as needed."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF data of any content: tag, type, count and four bytes of value for each entry."""
    fields = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + fields + bytes(4)


def png_chunks(pixels: np.ndarray[Any, Any], *, colour: int, clear: bytes = b"") -> bytes:
    """A PNG file of 16-bit pixels (H, W, C), which Pillow can't write in colour."""
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    parts = [chunk(b"IHDR", header), *([chunk(b"tRNS", clear)] if clear else [])]
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def halves(mode: str = "RGB", right: str = "white") -> Image.Image:
    """A black half beside another, which every kind of file below shows."""
    picture = Image.new("RGB", (40, 28), "black")
    picture.paste(right, (20, 0, 40, 28))
    return picture.convert(mode)


def half_clear(mode: str = "RGBA") -> Image.Image:
    """Black, and beside it a blue that nobody sees: it is transparent."""
    picture = halves("RGBA", "blue")
    picture.putalpha(halves("L").point(lambda level: 255 - level))
    return picture.convert(mode)


def usable_pictures(directory: Path) -> dict[str, Path]:
    """The same two halves as every kind of file, by what is special about it."""
    turned, broken = Image.Exif(), exif((0x0112, 3, 1, b"\1\0\0\0"), (0x0100, 2, 3, b"x\0\0\0"))
    turned[0x0112] = 6
    on_its_side = halves().transpose(Image.Transpose.ROTATE_90)
    deep = np.asarray(halves("L")).astype(np.uint16) * 257
    deep_on_its_side = Image.fromarray(np.ascontiguousarray(np.rot90(deep)))
    palette = half_clear().quantize(8, method=Image.Quantize.FASTOCTREE)
    black, red = halves(right="black"), halves(right="red")
    frames: dict[str, Any] = {"save_all": True, "append_images": [red.convert("RGBA")]}
    made: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "greyscale": (halves("L"), "jpg", {}),
        "one bit": (halves("1"), "png", {}),
        "clear": (half_clear(), "png", {}),
        "clear grey": (half_clear("LA"), "png", {}),
        "clear palette": (palette, "png", {}),
        "still gif": (half_clear(), "gif", {}),
        "moving gif": (half_clear(), "gif", frames),
        "moving webp": (half_clear(), "webp", {"lossless": True, **frames}),
        "moving png": (half_clear(), "png", frames),
        "pages": (halves(), "tiff", {"save_all": True, "append_images": [red]}),
        "preview": (halves(), "mpo", {"save_all": True, "append_images": [black]}),
        "print": (halves("CMYK"), "jpg", {"quality": 95}),
        "deep png": (Image.fromarray(deep), "png", {}),
        "deep tiff": (Image.fromarray(deep), "tiff", {}),
        "deep tiff on its side": (deep_on_its_side, "tiff", {"exif": turned}),
        "on its side": (on_its_side, "jpg", {"exif": turned, "quality": 95}),
        "broken exif": (halves(), "jpg", {"exif": broken, "quality": 95}),
    }
    paths = {}
    for name, (picture, kind, options) in made.items():
        paths[name] = directory / f"{name}.{kind}"
        picture.save(paths[name], **options)
    paths["deep colours"] = directory / "deep colours.png"
    colours = np.asarray(halves()).astype(np.uint16) * 257
    paths["deep colours"].write_bytes(png_chunks(colours, colour=2))
    return paths


def unusable_pictures(directory: Path) -> dict[Path, str]:
    """Files and what is said of each."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, "JPEG")
    made = {
        "half.jpg": (whole.getvalue()[: whole.tell() // 2], "cannot be decoded"),
        "empty.jpg": (b"", "is empty"),
        "text.jpg": (b"This is not a picture.", "not a picture"),
        "phone.heic": (b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf", "save it as JPEG or PNG"),
    }
    found = {directory / "folder.png": "a directory", directory / "gone.png": "no such picture"}
    (directory / "folder.png").mkdir()
    for name, (data, said) in made.items():
        (directory / name).write_bytes(data)
        found[directory / name] = said
    return found
