"""Picture files of every kind that users bring, made as needed."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np


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
