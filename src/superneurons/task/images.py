"""Pictures: opened the same way everywhere, checked before any model runs, and told apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from superneurons.errors import DataError, Problem
from superneurons.task.record import ImageSource, Record

__all__ = ["check_images", "embedded_image", "image_key", "image_keys", "open_image"]

_MEND = "Save the picture again, or leave its record out."


def open_image(source: ImageSource) -> Image.Image:
    """Decode a picture into the one form that everything after this expects.

    The orientation that a camera noted (EXIF) is applied; transparency is laid over white; of an
    animation the first frame counts; 16-bit grey values are scaled from their full range
    (0 to 65,535) to 8 bits.

    Parameters
    ----------
    source
        A file, or a picture already opened; the latter is left as it is.

    Returns
    -------
    PIL.Image.Image
        Mode ``RGB``, fully decoded, independent of the source.

    Raises
    ------
    DataError
        When the file is missing, is no picture, is damaged or cut short, is larger than
        ``PIL.Image.MAX_IMAGE_PIXELS``, or has pixels whose range is unknown (floating point).

    Examples
    --------
    >>> open_image(Image.new("RGBA", (2, 1), (255, 0, 0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    try:
        if isinstance(source, Image.Image):
            return _to_rgb(source)
        with Image.open(source) as image:
            return _to_rgb(image)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise all sorts of things on damaged files
        raise DataError(_what(error), where=_name(source), mend=_MEND) from error


def embedded_image(data: bytes) -> Image.Image:
    """Open a picture held in memory; its pixels are decoded only when they are needed.

    Raises
    ------
    DataError
        When the bytes are no picture.
    """
    try:
        return Image.open(BytesIO(data))
    except Exception as error:
        raise DataError(_what(error), where="an embedded picture", mend=_MEND) from error


def check_images(records: Sequence[Record]) -> None:
    """Decode every distinct picture once, so that no model starts on data that will fail later.

    Raises
    ------
    DataError
        Lists every picture that cannot be used, with the first record that shows it.
    """
    users: dict[str | int, list[int]] = {}
    sources: dict[str | int, ImageSource] = {}
    for index, record in enumerate(records):
        for source in record.images:
            handle = str(source) if isinstance(source, Path) else id(source)
            sources.setdefault(handle, source)
            users.setdefault(handle, []).append(index)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        complaints = pool.map(_complaint, sources.values())
        problems = [
            Problem(_place(records, users[handle]), complaint)
            for handle, complaint in zip(sources, complaints, strict=True)
            if complaint is not None
        ]
    if problems:
        raise DataError(
            f"{len(problems)} of {len(sources)} pictures cannot be used.",
            problems=problems,
            mend="Save these pictures again, or leave their records out.",
        )


def image_key(source: ImageSource) -> str:
    """Name a picture, so that two records with the same picture are known to share it.

    Returns
    -------
    str
        For a file its real path, links followed; for an opened picture the SHA-256 of its pixels.

    Raises
    ------
    DataError
        When an opened picture cannot be decoded.

    Examples
    --------
    >>> image_key(Image.new("L", (2, 2))) == image_key(Image.new("RGB", (2, 2)))
    True
    """
    if isinstance(source, Path):
        return os.path.realpath(source)
    image = open_image(source)
    digest = hashlib.sha256(repr(image.size).encode())
    digest.update(image.tobytes())
    return f"sha256:{digest.hexdigest()}"


def image_keys(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """Give each record the :func:`image_key` of its pictures; a shared picture is read once."""
    known: dict[str | int, str] = {}

    def key(source: ImageSource) -> str:
        handle = str(source) if isinstance(source, Path) else id(source)
        if handle not in known:
            known[handle] = image_key(source)
        return known[handle]

    return [tuple(key(source) for source in record.images) for record in records]


def _to_rgb(image: Image.Image) -> Image.Image:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Image.DecompressionBombError
    image = _to_8_bits(ImageOps.exif_transpose(image))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError(
            "its pixels are floating-point numbers of unknown range; save 8 or 16 bits"
        )
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image)
    if values.size and (values.min() < 0 or values.max() > 65_535):
        raise ValueError("its pixels have more than 16 bits; save 8 or 16 bits")
    return Image.fromarray(np.round(values / 257).astype(np.uint8))


def _complaint(source: ImageSource) -> str | None:
    try:
        open_image(source)
    except DataError as error:
        return f"{error.where}: {error.what}"
    return None


def _place(records: Sequence[Record], users: list[int]) -> str:
    first = records[users[0]].id or f"record {users[0]}"
    return first if len(users) == 1 else f"{first} and {len(users) - 1} more"


def _what(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "There is no such picture."
    if isinstance(error, UnidentifiedImageError):
        return "This is not a picture that Pillow can read."
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"The picture has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller."
    return f"The picture cannot be decoded: {error or type(error).__name__}."


def _name(source: ImageSource) -> str:
    return str(source) if isinstance(source, Path) else "an opened picture"
