"""A model's processor with its pictures prepared on the model's device, once that was checked."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import torch
from PIL import Image

from superneurons.task.images import open_image
from superneurons.task.record import ImageSource
from superneurons.vlm.family import Family
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.jpeg import opened_on
from superneurons.vlm.pixels import Picture, PixelPreparer, pixel_preparer, why_not
from superneurons.vlm.processor import PictureProcessor

__all__ = ["OnDevice", "Opener", "opener_on", "processor_on"]

Opener: TypeAlias = Callable[[ImageSource], Picture]
"""Opens a picture for a processor."""


@dataclass(frozen=True, slots=True)
class OnDevice:
    """What encodes on a device, or why the processor itself has to.

    Parameters
    ----------
    processor
        Takes what the model's processor takes and returns the same; ``None`` where there is none.
    reason
        Why there is none; ``""`` otherwise.
    """

    processor: PictureProcessor | None
    reason: str = ""


_known: WeakKeyDictionary[Any, dict[str, OnDevice]] = WeakKeyDictionary()
_warned: WeakSet[Any] = WeakSet()
_lock = threading.Lock()


def opener_on(device: torch.device, processor: Any, found: OnDevice) -> Opener:
    """Return what opens pictures where JPEG files are to be decoded on a device.

    Parameters
    ----------
    device
        Where the model is.
    processor
        The model's own.
    found
        What :func:`processor_on` returned for it: the model's own takes pictures of Pillow only.

    Warns
    -----
    AccelerationWarning
        Once for a processor, when Pillow decodes because nothing prepares pictures on the device.
    """
    if found.processor is not None:
        return partial(opened_on, device=device)
    with _lock:
        first = processor not in _warned
        _warned.add(processor)
    if first:
        warnings.warn(
            "JPEG files are decoded by Pillow, which takes longer: pictures are not prepared on "
            f"{device}, since {found.reason}.",
            AccelerationWarning,
            stacklevel=2,
        )
    return open_image


def processor_on(device: torch.device, processor: Any, family: Family, mark: str) -> OnDevice:
    """Return a model's processor with pictures prepared on a device.

    It is made once for each processor and device, and then compared with the processor on a made-up
    picture. When a value differs by more than one level, or the text differs, there is none.

    Parameters
    ----------
    device
        Where the model is.
    processor
        The model's own.
    family
        The model's family.
    mark
        The token that stands for one piece of a picture.

    Warns
    -----
    RuntimeWarning
        Once, when the comparison fails; not where the processor makes other inputs beside.
    """
    with _lock:
        made = _known.setdefault(processor, {})
        if str(device) not in made:
            made[str(device)] = _make(device, processor, family, mark)
        return made[str(device)]


def _make(device: torch.device, processor: Any, family: Family, mark: str) -> OnDevice:
    preparer = pixel_preparer(processor, device)
    if preparer is None:
        return OnDevice(None, why_not(processor))
    asked = _made_up(mark)
    expected = dict(processor(**asked))
    own = processor.tokenizer.convert_tokens_to_ids(mark)
    each = int((expected["input_ids"][0] == own).sum())
    ours = PictureProcessor(
        processor.image_processor,
        processor.tokenizer,
        placeholder=mark,
        picture_tokens=family.picture_tokens or (lambda *_: each),
        prepare=preparer,
        marks_pictures="mm_token_type_ids" in expected,
    )
    found = ours(**asked)
    others = sorted(set(found) ^ set(expected))
    if others:  # what a processor does beside its pictures, not a defect: nothing to warn of
        return OnDevice(None, f"its processor also makes {', '.join(others)}")
    differs = _differs(expected, found, preparer)
    if differs:
        reason = f"prepared on {device}, {differs} differs from what the image processor makes"
        warnings.warn(
            f"Pictures are prepared by the model's image processor, which takes longer: {reason}.",
            RuntimeWarning,
            stacklevel=2,
        )
        return OnDevice(None, reason)
    return OnDevice(ours)


def _made_up(mark: str) -> dict[str, Any]:
    """A picture with edges, gradients and noise, asked about in prompts of different lengths."""
    noise = np.random.default_rng(0).integers(0, 64, (48, 64, 3))
    ramp = np.linspace(0, 191, 64).astype(int)[None, :, None]
    picture = Image.fromarray((noise + np.roll(ramp, 20, axis=1)).astype(np.uint8))
    return {
        "images": [[picture], [picture]],
        "text": [f"{mark} Why?", f"What is this, {mark} and why?"],
        "padding": True,
        "return_tensors": "pt",
    }


def _differs(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], preparer: PixelPreparer
) -> str:
    for name, wanted in expected.items():
        given = found[name].to(wanted.device)
        if given.shape != wanted.shape or given.dtype != wanted.dtype:
            return name
        far = preparer.level * 1.001 if wanted.is_floating_point() else 0
        if float((given.double() - wanted.double()).abs().max()) > far:
            return name
    return ""
