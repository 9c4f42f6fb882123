"""Pictures: opened the same way everywhere, checked before any model runs, and told apart."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from superneurons.errors import DataError, Problem
from superneurons.task.notices import Treatment, notice_of
from superneurons.task.record import ImageSource, Record
from superneurons.task.rgb import has_frames, to_rgb

__all__ = ["check_images", "embedded_image", "image_key", "image_keys", "open_image"]

_MEND = "Save the picture again, or leave its record out."
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def open_image(source: ImageSource) -> Image.Image:
    """Decode a picture into the one form that everything after this expects.

    The orientation that a camera noted (EXIF) is applied, unless that can't be read; transparency
    is laid over white; of an animation, or of several pages, the first counts; 16-bit values are
    scaled from their full range (0 to 65,535) to 8 bits. Colours are taken as stored: no colour
    profile is applied, and CMYK is converted as Pillow and OpenCV do it.

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
    return _opened(source, None)


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
        raise DataError(_what(error, data), where="an embedded picture", mend=_MEND) from error


def check_images(records: Sequence[Record]) -> None:
    """Decode every distinct picture once, so that no model starts on data that will fail later.

    Raises
    ------
    DataError
        Lists every picture that cannot be used, with the first record that shows it.

    Warns
    -----
    DataNotice
        Once for all pictures that are read otherwise than they are stored: how, how many, and the
        names of some.
    """
    sources, users = _distinct(records)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        tried = dict(zip(sources, pool.map(_tried, sources.values()), strict=True))
    problems = [
        _problem(_place(records, users[handle]), found)
        for handle, found in tried.items()
        if isinstance(found, str)
    ]
    if problems:
        raise DataError(
            f"{len(problems)} of {len(sources)} pictures cannot be used.",
            problems=problems,
            mend="Save these pictures again, or leave their records out.",
        )
    notice = notice_of(
        (handle if isinstance(handle, str) else _place(records, users[handle][:1]), found)
        for handle, found in tried.items()
        if not isinstance(found, str)
    )
    if notice is not None:
        # check_images, probing_set, fit: whoever called that.
        warnings.warn(notice, stacklevel=4)


def _distinct(
    records: Sequence[Record],
) -> tuple[dict[str | int, ImageSource], dict[str | int, list[int]]]:
    """Each picture once, and the numbers of the records that show it."""
    users: dict[str | int, list[int]] = {}
    sources: dict[str | int, ImageSource] = {}
    for index, record in enumerate(records):
        for source in record.images:
            handle = str(source) if isinstance(source, Path) else id(source)
            sources.setdefault(handle, source)
            users.setdefault(handle, []).append(index)
    return sources, users


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


def _opened(source: ImageSource, treated: set[Treatment] | None) -> Image.Image:
    try:
        if isinstance(source, Image.Image):
            return _decoded(source, treated)
        with Image.open(source) as image:
            return _decoded(image, treated)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise all sorts of things on damaged files
        raise DataError(_what(error, source), where=_name(source), mend=_MEND) from error


def _decoded(image: Image.Image, treated: set[Treatment] | None) -> Image.Image:
    if treated is not None and has_frames(image):
        treated.add("frames")
    return to_rgb(image, treated)


def _tried(source: ImageSource) -> str | set[Treatment]:
    """Say why a picture cannot be used, or what is done to it."""
    treated: set[Treatment] = set()
    try:
        _opened(source, treated)
    except DataError as error:
        return f"{error.where}: {error.what}"
    return treated


def _place(records: Sequence[Record], users: list[int]) -> str:
    first = records[users[0]].id or f"record {users[0]}"
    return first if len(users) == 1 else f"{first} and {len(users) - 1} more"


def _problem(place: str, found: str) -> Problem:
    return Problem(place, found.removeprefix(f"{place}: "))  # the picture is all there is of it


def _what(error: Exception, source: ImageSource | bytes) -> str:
    if isinstance(error, FileNotFoundError):
        return "There is no such picture."
    if isinstance(error, IsADirectoryError):
        return "This is a directory, not a picture."
    if isinstance(error, UnidentifiedImageError):
        return _unknown(source)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return (
            f"The picture has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller, or "
            "raise PIL.Image.MAX_IMAGE_PIXELS."
        )
    return f"The picture cannot be decoded: {error or type(error).__name__}."


def _unknown(source: ImageSource | bytes) -> str:
    """Say what it is that Pillow doesn't know."""
    start = source if isinstance(source, bytes) else b"?"
    if isinstance(source, Path):
        with source.open("rb") as file:
            start = file.read(12)
    if not start:
        return "The file is empty."
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC:
        return "This is a HEIC picture, which Pillow cannot read; save it as JPEG or PNG."
    return "This is not a picture that Pillow can read."


def _name(source: ImageSource) -> str:
    return str(source) if isinstance(source, Path) else "an opened picture"
