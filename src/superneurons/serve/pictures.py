"""Pictures as callers send them: base64, a data URL, or an address; checked, then decoded."""

from __future__ import annotations

import base64
import binascii
import re
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from superneurons.errors import DataError
from superneurons.serve.doors import Doors
from superneurons.serve.limits import Share
from superneurons.task.images import open_image

__all__ = ["FORMATS", "data_of", "decode", "is_address"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is decoded; Pillow knows more, some of which start other programs."""

_MEND = "Send a JPEG, PNG, WebP, GIF, BMP or TIFF file as base64."
_DATA_URL = re.compile(r"data:image/[\w.+-]{1,40};base64,", re.ASCII | re.IGNORECASE)
_LONGEST_SIDE = 200  # times the shorter


def is_address(text: str) -> bool:
    """Whether a picture is named by an address, and has to be fetched.

    Examples
    --------
    >>> is_address("HTTPS://example.org/a.png"), is_address("data:image/png;base64,AA==")
    (True, False)
    """
    return text[:8].lower().startswith(("http://", "https://"))


def data_of(text: str) -> bytes:
    r"""Decode base64, alone or as a data URL, exactly: no white space, no other alphabet.

    Raises
    ------
    DataError
        When it is neither, or another kind of address, such as ``file://``.

    Examples
    --------
    >>> data_of("data:image/png;base64,AAEC")
    b'\x00\x01\x02'
    """
    start = _DATA_URL.match(text)
    if start is None and re.match(r"[A-Za-z][\w+.-]*:", text, re.ASCII):
        raise DataError(f"an address of a kind that is not read: {text[:30]!r}", mend=_MEND)
    try:
        data = base64.b64decode(text[start.end() :] if start else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"no base64: {error}", mend=_MEND) from error
    if not data:
        raise DataError("empty", mend=_MEND)
    return data


def decode(data: bytes, doors: Doors, share: Share) -> Image.Image:
    """Decode a picture, once its header says that it isn't too large.

    Parameters
    ----------
    data
        The file, of one of ``FORMATS``, whatever it was said to be.
    doors
        Says how many pixels it may have.
    share
        Memory is taken from there, before anything is decoded.

    Returns
    -------
    PIL.Image.Image
        Upright, opaque, mode ``RGB``; of an animation the first frame.

    Raises
    ------
    DataError
        When it is no picture, damaged, too large, or more than 200 times as long as wide.
    BusyError
        When all requests together hold too much.
    """
    image = _opened(data)
    width, height = image.size
    if width * height > doors.max_pixels:
        raise DataError(f"{width} × {height} pixels, more than {doors.max_pixels:,}")
    if max(width, height) > _LONGEST_SIDE * min(width, height):
        raise DataError(f"{width} × {height} pixels: one side is {_LONGEST_SIDE} times the other")
    share.take(3 * width * height)
    try:
        return open_image(image)
    except DataError as error:
        raise DataError(error.what) from error


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except MemoryError:
        raise
    except UnidentifiedImageError as error:
        raise DataError("not a picture of a kind that is read", mend=_MEND) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError("far too many pixels") from error
    except Exception as error:  # headers are written by anybody
        raise DataError(f"damaged: {error or type(error).__name__}") from error
