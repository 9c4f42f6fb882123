"""JPEG files decoded on the model's device, when that was asked for.

Decoding takes a CPU longer than all the rest of an early exit takes a GPU. What decodes there is
nvJPEG, through torchvision, which is imported only here and only then.
"""

from __future__ import annotations

import os
import threading
import warnings
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile

from superneurons.task.images import open_image
from superneurons.task.record import ImageSource
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.pixels import Picture, decode

__all__ = ["decoded_on", "opened_on", "why_not_on"]

_DEVICES = ("cuda",)
_FAR = 2.0
_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"
_LETTERS = tuple(b"RGB")
_WHOLE = (1, 1)
_SAMPLINGS = (_WHOLE, (2, 1), (2, 2))  # 4:4:4, 4:2:2, 4:2:0; of others nothing is known

_reasons: dict[str, str] = {}
_lock = threading.Lock()


def opened_on(source: ImageSource, device: torch.device) -> Picture:
    """Open a picture: decoded on a device where :func:`decoded_on` can, else by Pillow.

    Raises
    ------
    DataError
        As :func:`superneurons.task.images.open_image`.
    """
    found = decoded_on(source, device)
    return open_image(source) if found is None else found


def decoded_on(source: ImageSource, device: torch.device) -> torch.Tensor | None:
    """Decode a JPEG file on a device.

    Parameters
    ----------
    source
        A file; or a picture opened from one, or from bytes, that is not decoded yet.
    device
        Where.

    Returns
    -------
    torch.Tensor or None
        (H, W, 3) uint8 on the device. ``None`` for whatever Pillow has to decode, or to refuse with
        a reason: what is missing, damaged, cut short or no JPEG; one that is to be turned (EXIF),
        has colours other than grey or YCbCr, chroma other than whole or halved, anything after its
        end, or more than ``PIL.Image.MAX_IMAGE_PIXELS``; one that the device's decoder refuses; and
        everything on a device where :func:`why_not_on` gives a reason.
    """
    if why_not_on(device):
        return None
    try:
        content, (width, height) = _plain(source)
        found = _decoded(content, device)
    except Exception:  # Pillow will say what is wrong with it, or decode it after all
        return None
    return found if found.shape == (height, width, 3) else None


def why_not_on(device: torch.device) -> str:
    """Say why JPEG files are not decoded on a device; ``""`` where they are.

    Asked for the first time, it compares what is decoded there with Pillow's decoder, on a colour
    picture with halved chroma (4:2:0) and a grey one, both of quality 90. A mean difference of more
    than two levels counts as an error.

    Found on an H100 (torchvision 0.26, CUDA 13, Pillow 12.3): grey files and those with whole
    chroma (4:4:4) give the same levels. Where chroma is halved Pillow interpolates between its
    samples and nvJPEG doesn't: smooth pictures of 640 × 480 differ by 0.4 (4:2:2) to 0.7 levels in
    the mean, the one made up here by 1.0, at edges between colours by up to 55, and where colours
    change from pixel to pixel, as in pictures scaled to a few dozen, by about 10 in the mean.
    Left alone, nvJPEG also decodes files that are cut short without an error, takes three
    components for YCbCr whatever is said of them, and gets grey ones of 2 × 2 blocks wrong: those
    are not given to it.

    Warns
    -----
    AccelerationWarning
        The first time, when there is a reason.
    """
    with _lock:
        if str(device) not in _reasons:
            _reasons[str(device)] = reason = _obstacle(device)
            if reason:
                warnings.warn(
                    f"JPEG files are decoded by Pillow, which takes longer: {reason}.",
                    AccelerationWarning,
                    stacklevel=4,
                )
        return _reasons[str(device)]


def _obstacle(device: torch.device) -> str:
    if device.type not in _DEVICES:
        return f"another decoder needs a CUDA device, and the model is on {device}"
    try:
        _decoder()
    except Exception as error:  # one made for another PyTorch raises all sorts of things
        return f"torchvision can't be imported ({_first_line(error)})"
    try:
        far = max(_distance(_made_up(mode), device) for mode in ("RGB", "L"))
    except Exception as error:
        return f"torchvision can't decode on {device} ({_first_line(error)})"
    if far <= _FAR:
        return ""
    return f"decoded on {device}, a picture differs from Pillow's by {far:.1f} levels in the mean"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _decoder() -> Any:
    return import_module("torchvision.io")


def _decoded(content: bytes, device: torch.device) -> torch.Tensor:
    io = _decoder()
    held = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    found: torch.Tensor = io.decode_jpeg(held, mode=io.ImageReadMode.RGB, device=device)
    return found.permute(1, 2, 0)


def _distance(content: bytes, device: torch.device) -> float:
    ours, theirs = _decoded(content, device).cpu(), decode(content)
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        raise ValueError(f"it made {tuple(ours.shape)} of {tuple(theirs.shape)}")
    return float((ours.float() - theirs.float()).abs().mean())


def _made_up(mode: str) -> bytes:
    """A smooth picture with two edges, of a size that is no multiple of a block."""
    y, x = np.mgrid[:93, :131]
    levels = np.stack([128 + 80 * np.sin(x / (40 + 9 * c) + y / (60 - 9 * c)) for c in range(3)], 2)
    levels[30:61, 40:] = (200, 90, 60)
    levels[50:80, 70:101] = (40, 80, 160)
    written = BytesIO()
    picture = Image.fromarray(levels.astype(np.uint8)).convert(mode)
    sampling = {"subsampling": "4:2:0"} if mode == "RGB" else {}
    picture.save(written, "JPEG", quality=90, **sampling)
    return written.getvalue()


def _plain(source: ImageSource) -> tuple[bytes, tuple[int, int]]:
    """The bytes of a JPEG that means the same to any decoder, and its width and height."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            content = file.read(len(_BEGIN))
            content += file.read() if content == _BEGIN else b""
        with Image.open(BytesIO(content)) as image:
            return _checked(content, image)
    return _checked(_bytes_of(source), source)


def _bytes_of(image: Image.Image) -> bytes:
    """The bytes behind a picture that was opened and never decoded, so never changed either."""
    if not isinstance(image, JpegImageFile) or not image.tile or image.decoderconfig:
        raise ValueError("decoded already, or asked for smaller")
    if type(image.fp) is BytesIO:
        return image.fp.getvalue()
    # Reading from its own file would move the place from which Pillow goes on.
    with Path(os.fsdecode(image.filename)).open("rb") as file:
        if image.fp is None or not os.path.sameopenfile(file.fileno(), image.fp.fileno()):
            raise ValueError("another file by now")
        return file.read()


def _checked(content: bytes, image: Image.Image) -> tuple[bytes, tuple[int, int]]:
    limit = Image.MAX_IMAGE_PIXELS
    fits = limit is None or image.width * image.height <= limit
    upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    known = image.format == "JPEG" and _is_usual(image)  # a file of several pictures is MPO
    if not (known and fits and upright and content.endswith(_END)):
        raise ValueError("for Pillow")
    return content, image.size


def _is_usual(image: Image.Image) -> bool:
    """Whether it is grey or YCbCr, as libjpeg decides that, with chroma whole or halved."""
    names, *sizes = zip(*[layer[:3] for layer in image.layer], strict=True)  # type: ignore[attr-defined]
    luma, *chroma = zip(*sizes, strict=True)
    if image.mode == "L":
        return bool(luma == _WHOLE)
    if image.mode != "RGB" or luma not in _SAMPLINGS or set(chroma) != {_WHOLE}:
        return False
    if "jfif" in image.info:
        return True
    return bool(image.info.get("adobe_transform", names != _LETTERS))
