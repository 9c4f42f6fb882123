"""Pictures small enough to be kept in a run."""

from __future__ import annotations

import base64
from io import BytesIO

from superneurons.errors import DataError
from superneurons.task.images import open_image
from superneurons.task.record import ImageSource

__all__ = ["thumbnail"]

_SIDE = 96
_QUALITY = 75


def thumbnail(source: ImageSource) -> str:
    """Return a picture, at most 96 pixels wide and high, as a JPEG in a ``data:`` URI.

    Only its pixels are kept: no place, time or camera that the file may name.

    Parameters
    ----------
    source
        A file, or a picture already opened.

    Returns
    -------
    str
        Empty where it cannot be read (any more).
    """
    try:
        picture = open_image(source)
    except DataError:
        return ""
    picture.info = {}  # comments would be written along
    picture.thumbnail((_SIDE, _SIDE))
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
