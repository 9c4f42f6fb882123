"""Pictures into pixel tensors on the model's device, as the family's image processor makes them.

An image processor built on Pillow takes 5 to 20 ms of one core for a picture; the first layers of a
model on a GPU take less. Here one copy of the bytes goes to the device, and the rest is done there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL.Image import Image

from superneurons.task.images import embedded_image, open_image
from superneurons.vlm.processor import processor_settings
from superneurons.vlm.resize import Filter, resized

__all__ = ["Picture", "PixelPreparer", "decode", "pixel_preparer", "why_not"]

Picture: TypeAlias = Image | torch.Tensor
"""An RGB picture: from Pillow, or a tensor (H, W, 3) uint8."""

_Size: TypeAlias = tuple[int, int]

_FILTERS: Mapping[int, Filter] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
_ONE_SIZE = ("CLIPImageProcessor", "SiglipImageProcessor")
_NATIVE_SIZE = ("Qwen2VLImageProcessor",)


def decode(data: bytes) -> torch.Tensor:
    """Decode a picture file to (H, W, 3) uint8; see :func:`superneurons.task.images.open_image`.

    Raises
    ------
    DataError
        When it is no picture, or a damaged one.
    """
    return _levels(open_image(embedded_image(data)))


@dataclass(frozen=True)
class PixelPreparer:
    """Does what an image processor does, on a device. Made by :func:`pixel_preparer`.

    Parameters
    ----------
    size
        Height and width (h, w) -> those that a picture of that size is resized to.
    crop
        Height and width that are cut from the middle; black is added where there is less.
    resample
        The filter.
    factor
        What levels 0 … 255 are multiplied with.
    mean, std
        For each channel, in float32; 0 and 1 where the processor doesn't normalise.
    patches
        (patch size, merge size, temporal size) where pictures are cut into patches, each picture at
        a size of its own.
    device
        Where all that happens.
    """

    size: Callable[[int, int], _Size]
    crop: _Size | None
    resample: Filter
    factor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    patches: tuple[int, int, int] | None
    device: torch.device

    @property
    def level(self) -> float:
        """The most that one level makes in a prepared value."""
        return self.factor / min(self.std)

    def __call__(self, pictures: Sequence[Picture]) -> dict[str, torch.Tensor]:
        """Prepare pictures; those of one size together.

        Parameters
        ----------
        pictures
            N of them.

        Returns
        -------
        dict
            What the image processor returns: ``pixel_values`` on the device, shape (N, 3, H, W)
            float32; or, where pictures are cut into patches, shape (patches of all pictures,
            values of one) with ``image_grid_thw``, shape (N, 3) int64 on the CPU.

        Raises
        ------
        ValueError
            When the image processor takes no picture of that shape.
        """
        levels = [_levels(picture) for picture in pictures]
        alike: dict[tuple[int, ...], list[int]] = {}
        for index, picture in enumerate(levels):
            alike.setdefault(tuple(picture.shape), []).append(index)
        found: list[torch.Tensor] = [torch.empty(0)] * len(levels)
        for indices in alike.values():
            batch = torch.stack([levels[i].to(self.device, non_blocking=True) for i in indices])
            for index, values in zip(indices, self._prepared(batch), strict=True):
                found[index] = values
        if self.patches is None:
            return {"pixel_values": torch.stack(found)}
        grids = [self._grid(*picture.shape[:2]) for picture in levels]
        tokens = torch.cat([self._patchified(values) for values in found])
        return {"pixel_values": tokens, "image_grid_thw": torch.tensor(grids, dtype=torch.int64)}

    def _prepared(self, batch: torch.Tensor) -> torch.Tensor:
        size = self.size(*batch.shape[1:3])
        spans = (
            [((a - b) // 2, b) for a, b in zip(size, self.crop, strict=True)] if self.crop else []
        )
        rows, columns = spans or (None, None)
        levels = resized(batch, size, self.resample, rows=rows, columns=columns)
        mean, std = self._normal
        return ((levels * self.factor).float() - mean) / std

    @cached_property
    def _normal(self) -> tuple[torch.Tensor, ...]:
        both = torch.tensor([self.mean, self.std], device=self.device)
        return both[:, :, None, None].unbind()

    def _grid(self, height: int, width: int) -> tuple[int, int, int]:
        assert self.patches is not None
        height, width = self.size(height, width)
        return 1, height // self.patches[0], width // self.patches[0]

    def _patchified(self, values: torch.Tensor) -> torch.Tensor:
        assert self.patches is not None
        patch, merge, frames = self.patches
        channels, height, width = values.shape
        blocks = values.reshape(
            channels, height // patch // merge, merge, patch, width // patch // merge, merge, patch
        ).permute(1, 4, 2, 5, 0, 3, 6)
        still = blocks.unsqueeze(5).expand(*blocks.shape[:5], frames, patch, patch)
        return still.reshape(-1, channels * frames * patch * patch)


def why_not(processor: Any) -> str:
    """Say why pictures cannot be prepared as this processor does; ``""`` when they can."""
    name, settings = _name(processor), processor_settings(processor)
    size = settings.get("size", {})
    if name not in _ONE_SIZE + _NATIVE_SIZE:
        return f"{name} is not known"
    if not settings.get("do_resize") or not settings.get("do_rescale") or settings.get("do_pad"):
        return f"{name} does not resize and rescale, or it pads"
    if settings.get("resample") not in _FILTERS:
        return f"{name} resizes with a filter that is not known: {settings.get('resample')!r}"
    if name in _NATIVE_SIZE:
        return "" if set(size) == {"shortest_edge", "longest_edge"} else f"size is {size}"
    if set(size) != {"height", "width"} and not (
        set(size) == {"shortest_edge"} and settings.get("do_center_crop")
    ):
        return f"{name} does not bring all pictures to one size: size is {size}"
    return ""


def pixel_preparer(processor: Any, device: torch.device | str) -> PixelPreparer | None:
    """Return what prepares pictures like a processor, but on a device.

    Parameters
    ----------
    processor
        A model's processor; its ``image_processor`` is copied as it is set now.
    device
        Where.

    Returns
    -------
    PixelPreparer or None
        ``None`` when its class or its settings are not known; :func:`why_not` says which.
    """
    if why_not(processor):
        return None
    settings = processor_settings(processor)
    crop = settings.get("crop_size") if settings.get("do_center_crop") else None
    native = _name(processor) in _NATIVE_SIZE
    normal = bool(settings.get("do_normalize"))
    return PixelPreparer(
        size=_native_size(processor, settings) if native else _one_size(settings["size"]),
        crop=None if native or crop is None else (int(crop["height"]), int(crop["width"])),
        resample=_FILTERS[settings["resample"]],
        factor=float(settings["rescale_factor"]),
        mean=tuple(settings["image_mean"]) if normal else (0.0,) * 3,
        std=tuple(settings["image_std"]) if normal else (1.0,) * 3,
        patches=(settings["patch_size"], settings["merge_size"], settings["temporal_patch_size"])
        if native
        else None,
        device=torch.device(device),
    )


def _name(processor: Any) -> str:
    name = type(processor.image_processor).__name__
    return name.removesuffix("Pil").removesuffix("Fast")


def _one_size(size: Mapping[str, int]) -> Callable[[int, int], _Size]:
    def fixed(height: int, width: int) -> _Size:
        if "height" in size:
            return size["height"], size["width"]
        short = size["shortest_edge"]
        long = int(short * max(height, width) / min(height, width))
        return (long, short) if width <= height else (short, long)

    return fixed


def _native_size(processor: Any, settings: Mapping[str, Any]) -> Callable[[int, int], _Size]:
    rule = import_module(type(processor.image_processor).__module__).smart_resize
    size, factor = settings["size"], settings["patch_size"] * settings["merge_size"]

    def native(height: int, width: int) -> _Size:
        found: _Size = rule(
            height, width, factor, min_pixels=size["shortest_edge"], max_pixels=size["longest_edge"]
        )
        return found

    return native


def _levels(picture: Picture) -> torch.Tensor:
    if isinstance(picture, torch.Tensor):
        return picture
    return torch.from_numpy(np.array(picture))
