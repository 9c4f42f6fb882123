"""Any picture that Pillow opens, as the one form that models are shown."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Transpose

from superneurons.task.notices import Treatment

__all__ = ["has_frames", "to_rgb"]

_ORIENTATION = 0x0112
# Pillow's raw modes with 16 bits per channel, such as RGB;16B; BGR;16 is 16 bits for all of them.
_DEEP = re.compile(r"\b(?!BGR)\w+;16")
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def to_rgb(image: Image.Image, treated: set[Treatment] | None = None) -> Image.Image:
    """Decode a picture, upright, opaque and with 8 bits per channel.

    Parameters
    ----------
    image
        As Pillow opened it; it is decoded, and else left as it is.
    treated
        Is told what was done to it, beyond decoding and turning it upright.

    Returns
    -------
    PIL.Image.Image
        Mode ``RGB``, independent of ``image``.

    Raises
    ------
    PIL.Image.DecompressionBombError
        When it has more than ``PIL.Image.MAX_IMAGE_PIXELS``.
    ValueError
        When it has no pixels, or pixels of unknown range.
    Exception
        Whatever the decoder raises on a damaged file.
    """
    treated = set() if treated is None else treated
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Image.DecompressionBombError
    if not image.width * image.height:
        raise ValueError("it has no pixels")
    if any(_DEEP.search(str(tile)) for tile in getattr(image, "tile", ())):  # gone once decoded
        treated.add("16-bit")
    _load(image)
    if image.mode == "CMYK":
        treated.add("CMYK")
    return _opaque(_to_8_bits(_upright(image, treated), treated), treated)


def has_frames(image: Image.Image) -> bool:
    """Whether a file holds more than one picture: an animation, pages, a preview."""
    if image.format == "PSD":  # its frames are its layers, and what is opened is all of them
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # what comes after the first frame is damaged: the decoder may mind, or not
        return False


def _load(image: Image.Image) -> None:
    """Decode it, a TIFF not by its name: an uncompressed one would be mapped into memory.

    Pillow 13 does that with width and height as they will be once it is turned by 90°, so that
    no pixel is in its place.
    """
    if image.format != "TIFF" or not getattr(image, "filename", ""):
        image.load()
        return
    named: Any = image
    name, named.filename = named.filename, ""
    try:
        image.load()
    finally:
        named.filename = name


def _upright(image: Image.Image, treated: set[Treatment]) -> Image.Image:
    """Turn it as the camera was held.

    Not ``ImageOps.exif_transpose``: that also writes the EXIF data anew, which fails on some.
    """
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # EXIF data is written by anything, and no part of the picture
        treated.add("EXIF")
        return image
    return image if turn is None else image.transpose(turn)


def _to_8_bits(image: Image.Image, treated: set[Treatment]) -> Image.Image:
    if image.mode == "F":
        raise ValueError(
            "its pixels are floating-point numbers of unknown range; save 8 or 16 bits"
        )
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65_535:
        raise ValueError("its pixels have more than 16 bits; save 8 or 16 bits")
    treated.add("16-bit")
    grey = np.round(values / 257).astype(np.uint8)
    clear = values == image.info.get("transparency", -1)
    if clear.any():
        treated.add("transparent")
    return Image.fromarray(np.where(clear, np.uint8(255), grey))


def _opaque(image: Image.Image, treated: set[Treatment]) -> Image.Image:
    if image.mode not in ("RGBA", "LA", "PA", "RGBa", "La") and "transparency" not in image.info:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    if layer.getchannel("A").getextrema() != (255, 255):
        treated.add("transparent")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")
