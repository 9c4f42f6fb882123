"""Resize pictures on any device to the very pixel values that Pillow gives.

Pillow resizes in two passes, mostly along the rows first; each output pixel is a weighted sum of
input pixels, with weights of 22 binary places, rounded to a whole level after each pass
(``Resample.c`` of Pillow). Here each pass is two matrix products in float32: with the first 10
binary places of the weights, and with the rest. Each factor fits into 11 bits and the sums into 24,
so that nothing is lost, in TF32 neither; and no device lacks float32, or is slow at it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

__all__ = ["FILTERS", "Filter", "Span", "resized", "weights"]

Filter: TypeAlias = Literal["bilinear", "bicubic", "lanczos"]
Span: TypeAlias = tuple[int, int]
"""(first, number) of the output rows or columns that are kept; those outside are 0."""

_PLACES = 22
_FIRST_PLACES = 10
_MOST_VALUES = 2**25
_Floats: TypeAlias = NDArray[np.float64]
_Table: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""The first places of the weights and the rest; their sum are the weights."""
_Step: TypeAlias = Callable[[torch.Tensor, _Table], torch.Tensor]


def _bilinear(x: _Floats) -> _Floats:
    return np.maximum(1 - np.abs(x), 0)


def _bicubic(x: _Floats) -> _Floats:
    a, x = -0.5, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: _Floats) -> _Floats:
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0)


FILTERS: dict[Filter, tuple[Callable[[_Floats], _Floats], float]] = {
    "bilinear": (_bilinear, 1.0),
    "bicubic": (_bicubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}
"""Each filter's function and how far it reaches, at scale 1."""


def weights(length: int, to: int, name: Filter, span: Span) -> _Floats:
    """Return what one pass multiplies with: the weights of the input pixels in the output pixels.

    Parameters
    ----------
    length, to
        Pixels before and after, along the axis.
    name
        The filter.
    span
        Which output pixels are kept.

    Returns
    -------
    ndarray
        Shape (span[1], length), multiples of 2**-22.

    Examples
    --------
    >>> weights(4, 2, "bilinear", (0, 2)).round(2)
    array([[0.43, 0.43, 0.14, 0.  ],
           [0.  , 0.14, 0.43, 0.43]])
    """
    function, reach = FILTERS[name]
    scale = length / to
    stretch = max(scale, 1.0)
    centres = (np.arange(to) + 0.5) * scale
    begins = np.maximum((centres - reach * stretch + 0.5).astype(np.int64), 0)
    ends = np.minimum((centres + reach * stretch + 0.5).astype(np.int64), length)
    first = max(span[0], 0)
    kept = slice(first, max(min(span[0] + span[1], to), first))
    taps = np.arange(math.ceil(reach * stretch) * 2 + 1)
    at = begins[kept, None] + taps
    inside = at < ends[kept, None]
    raw = function((at - centres[kept, None] + 0.5) * (1 / stretch)) * inside
    shares = raw / np.cumsum(raw, axis=1)[:, -1:]  # added up one by one, as Pillow does
    whole = np.trunc(shares * 2**_PLACES + np.copysign(0.5, shares)) / 2**_PLACES
    table = np.zeros((span[1], length))
    rows = np.broadcast_to(np.arange(len(at))[:, None] + first - span[0], at.shape)
    table[rows[inside], at[inside]] = whole[inside]
    return table


@lru_cache(maxsize=32)
def _pass(length: int, to: int, name: Filter, span: Span, device: torch.device) -> _Table | None:
    """The weights on a device; ``None`` where the pass would change nothing."""
    if length == to and span == (0, to):
        return None
    table = weights(length, to, name, span)
    first = np.round(table * 2**_FIRST_PLACES) / 2**_FIRST_PLACES
    parts = np.stack([first, table - first]).astype(np.float32)
    first_places, rest = torch.from_numpy(parts).to(device)
    return first_places, rest


def resized(
    pictures: torch.Tensor,
    size: tuple[int, int],
    name: Filter = "bicubic",
    *,
    rows: Span | None = None,
    columns: Span | None = None,
) -> torch.Tensor:
    """Resize pictures of one size, and cut out a part, without waiting for the device.

    Parameters
    ----------
    pictures
        Shape (B, H, W, C) uint8.
    size
        Height and width that they get.
    name
        The filter.
    rows, columns
        What is kept of the resized picture, all by default; what lies outside of it is 0.

    Returns
    -------
    torch.Tensor
        Whole levels 0 … 255 in float32, those of Pillow, shape (B, C, h, w). Where more than 32
        pixels become one, a sum may be rounded, and a level in a million be off by one.
    """
    height, width = pictures.shape[1:3]
    device = pictures.device
    across = _pass(width, size[1], name, columns or (0, size[1]), device)
    down = _pass(height, size[0], name, rows or (0, size[0]), device)
    steps = [(across, _along_rows), (down, _along_columns)]
    if height - size[0] > max(2 * (width - size[1]), 0) and _shortens_first():
        steps.reverse()
    levels: torch.Tensor | None = None
    for table, apply in steps:
        if table is not None:
            levels = _in_parts(pictures, table, apply) if levels is None else apply(levels, table)
    return _levels(pictures) if levels is None else levels


def _in_parts(pictures: torch.Tensor, table: _Table, apply: _Step) -> torch.Tensor:
    """Apply the first pass some lines at a time: a large photo in float32 takes gigabytes."""
    lines = 1 if apply is _along_rows else 2
    at_once = max(1, _MOST_VALUES * pictures.shape[lines] // pictures.numel())
    parts = [apply(_levels(part), table) for part in torch.split(pictures, at_once, dim=lines)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=lines + 1)


def _levels(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def _along_rows(levels: torch.Tensor, table: _Table) -> torch.Tensor:
    first, rest = table
    return _rounded(levels @ first.T, levels @ rest.T)


def _along_columns(levels: torch.Tensor, table: _Table) -> torch.Tensor:
    first, rest = table
    return _rounded(first @ levels, rest @ levels)


def _rounded(levels: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """Round the sum; added as it is, it would lose the last places."""
    levels = levels.add_(0.5)
    whole = levels.floor()
    return whole.add_(levels.sub_(whole).add_(rest).floor_()).clamp_(0, 255)


@cache
def _shortens_first() -> bool:
    """Whether this Pillow begins along the columns where the height shrinks by more: since 13.0."""
    tall = (np.arange(40 * 4).reshape(40, 4) * 97 % 256).astype(np.uint8)
    begun = Image.fromarray(tall).resize((4, 6), Image.Resampling.BICUBIC)
    by_hand = begun.resize((9, 6), Image.Resampling.BICUBIC)
    at_once = Image.fromarray(tall).resize((9, 6), Image.Resampling.BICUBIC)
    return at_once.tobytes() == by_hand.tobytes()
