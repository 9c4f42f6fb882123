"""How pictures are prepared, in words that Pillow and NumPy can follow without this package."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from superneurons.vlm.processor import processor_settings

__all__ = ["prepare", "recipe"]


def prepare(picture: Image.Image, how: dict[str, Any]) -> np.ndarray:
    """Pixels of one picture, (1, 3, height, width) float32."""
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    if how["shortest_edge"]:
        short, long = sorted(picture.size)
        edges = (how["shortest_edge"], int(how["shortest_edge"] * long / short))
        size = edges if picture.width <= picture.height else edges[::-1]
        picture = picture.resize(size, how["resample"])
    elif how["resize"]:
        picture = picture.resize(how["resize"], how["resample"])
    if how["crop"]:
        left = (picture.width - how["crop"][0]) // 2
        top = (picture.height - how["crop"][1]) // 2
        picture = picture.crop((left, top, left + how["crop"][0], top + how["crop"][1]))
    pixels = np.asarray(picture, dtype=np.float32) * np.float32(how["rescale"])
    pixels = (pixels - np.float32(how["mean"])) / np.float32(how["std"])
    return pixels.transpose(2, 0, 1)[None].astype(np.float32)


def recipe(processor: Any) -> dict[str, Any] | None:
    """Return how an image processor prepares a picture; ``None`` where it does more than this.

    Returns
    -------
    dict or None
        ``shortest_edge`` (pixels) or ``resize`` and ``crop`` (width, height), each ``None`` for
        not at all; ``resample`` as Pillow numbers it; ``rescale``, ``mean`` and ``std``.
    """
    settings = processor_settings(processor)
    size = settings.get("size", {}) if settings.get("do_resize", False) else {}
    crop = settings.get("crop_size", {}) if settings.get("do_center_crop", False) else {}
    if not settings.get("do_rescale", False) or not set(size) <= {
        "shortest_edge",
        "height",
        "width",
    }:
        return None
    normed = settings.get("do_normalize", False)
    return {
        "shortest_edge": size.get("shortest_edge"),
        "resize": [size["width"], size["height"]] if "height" in size else None,
        "resample": int(settings.get("resample", Image.Resampling.BICUBIC)),
        "crop": [crop["width"], crop["height"]] if crop else None,
        "rescale": settings["rescale_factor"],
        "mean": settings["image_mean"] if normed else [0.0, 0.0, 0.0],
        "std": settings["image_std"] if normed else [1.0, 1.0, 1.0],
    }
