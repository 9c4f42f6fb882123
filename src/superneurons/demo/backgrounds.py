"""What lies behind the things in a scene: seven families, two of them kept for tests."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

__all__ = ["SEEN_FAMILIES", "UNSEEN_FAMILIES", "draw_colours", "hashed_uniform", "paint"]

_FLAT, _GRADIENT, _CLOUDS, _STRIPES, _BLOBS, _CHECKS, _RINGS = range(7)
SEEN_FAMILIES = (_FLAT, _GRADIENT, _CLOUDS, _STRIPES, _BLOBS)
UNSEEN_FAMILIES = (_CHECKS, _RINGS)

_MASK = 0xFFFFFFFF


def hashed_uniform(seed: torch.Tensor, count: int, stream: int) -> torch.Tensor:
    """Return numbers in [0, 1) that depend on nothing but the seed, on any device.

    Parameters
    ----------
    seed
        ``(B,)`` int64.
    count
        Numbers per seed.
    stream
        Tells apart several draws from one seed.

    Returns
    -------
    torch.Tensor
        ``(B, count)`` float32.
    """
    index = torch.arange(count, device=seed.device, dtype=torch.int64)
    state = (seed[:, None] * 0x9E3779B1 + index * 0x85EBCA77 + stream * 0xC2B2AE3D) & _MASK
    for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
        state = ((state ^ (state >> shift)) * factor) & _MASK
    return ((state ^ (state >> 15)) >> 8).to(torch.float32) / (1 << 24)


def paint(
    family: torch.Tensor, colours: torch.Tensor, shape: torch.Tensor, seed: torch.Tensor, size: int
) -> torch.Tensor:
    """Paint backgrounds by blending two colours with a pattern.

    Parameters
    ----------
    family
        ``(B,)`` int64, one of the families of this module.
    colours
        ``(B, 2, 3)`` float32 in 0…1.
    shape
        ``(B, 4)`` float32 in 0…1: direction, frequency and two phases.
    seed
        ``(B,)`` int64, for the patterns that need many random numbers.
    size
        Side of the square picture in pixels.

    Returns
    -------
    torch.Tensor
        ``(B, 3, size, size)`` float32 in 0…1.
    """
    blend = torch.zeros(len(family), size, size, device=family.device)
    for number, pattern in enumerate(
        (_flat, _gradient, _clouds, _stripes, _blobs, _checks, _rings)
    ):
        rows = torch.nonzero(family == number)[:, 0]
        if len(rows):
            blend[rows] = pattern(shape[rows], seed[rows], size)
    first, second = colours[:, 0, :, None, None], colours[:, 1, :, None, None]
    return first + (second - first) * blend[:, None]


def _axes(shape: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates along and across the pattern's direction, each ``(B, size, size)``."""
    line = (torch.arange(size, device=shape.device) + 0.5) / size - 0.5
    y, x = line[:, None], line[None, :]
    angle = shape[:, 0, None, None] * (2 * math.pi)
    return x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()


def _flat(shape: torch.Tensor, _seed: torch.Tensor, size: int) -> torch.Tensor:
    return torch.zeros(len(shape), size, size, device=shape.device)


def _gradient(shape: torch.Tensor, _seed: torch.Tensor, size: int) -> torch.Tensor:
    along, _ = _axes(shape, size)
    return (along + 0.5).clamp(0, 1)


def _clouds(shape: torch.Tensor, seed: torch.Tensor, size: int) -> torch.Tensor:
    total = torch.zeros(len(shape), 1, size, size, device=shape.device)
    for octave, cells in enumerate((3, 6, 12, 24)):
        noise = hashed_uniform(seed, cells * cells, octave).view(-1, 1, cells, cells)
        smooth = F.interpolate(noise, size=(size, size), mode="bilinear", align_corners=True)
        total += (smooth - 0.5) * 0.6**octave
    return (total[:, 0] * 1.4 + 0.5).clamp(0, 1)


def _stripes(shape: torch.Tensor, _seed: torch.Tensor, size: int) -> torch.Tensor:
    along, _ = _axes(shape, size)
    waves = 3 + 9 * shape[:, 1, None, None]
    return 0.5 + 0.5 * torch.sin(2 * math.pi * (waves * along + shape[:, 2, None, None]))


def _blobs(shape: torch.Tensor, seed: torch.Tensor, size: int) -> torch.Tensor:
    spots = 10
    place = hashed_uniform(seed, spots * 3, 7).view(-1, spots, 3)
    line = (torch.arange(size, device=shape.device) + 0.5) / size
    dx = line[None, None, None, :] - place[:, :, 0, None, None]
    dy = line[None, None, :, None] - place[:, :, 1, None, None]
    radius = 0.04 + 0.12 * place[:, :, 2, None, None]
    return ((radius - (dx * dx + dy * dy).sqrt()) * 40).sigmoid().amax(dim=1)


def _checks(shape: torch.Tensor, _seed: torch.Tensor, size: int) -> torch.Tensor:
    along, across = _axes(shape, size)
    waves = 2 + 4 * shape[:, 1, None, None]
    product = torch.sin(2 * math.pi * waves * along) * torch.sin(2 * math.pi * waves * across)
    return (product * 8).sigmoid()


def _rings(shape: torch.Tensor, _seed: torch.Tensor, size: int) -> torch.Tensor:
    line = (torch.arange(size, device=shape.device) + 0.5) / size
    dx = line[None, None, :] - shape[:, 2, None, None]
    dy = line[None, :, None] - shape[:, 3, None, None]
    waves = 4 + 8 * shape[:, 1, None, None]
    return 0.5 + 0.5 * torch.sin(2 * math.pi * waves * (dx * dx + dy * dy).sqrt())


def draw_colours(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw two colours per scene, ``(n, 2, 3)`` float32, never so dark as to look unlit."""
    first = rng.uniform(0.25, 1.0, (n, 3))
    distance = rng.uniform(-0.5, 0.5, (n, 3)) * rng.uniform(0.2, 1.0, (n, 1))
    return np.stack([first, np.clip(first + distance, 0.15, 1.0)], axis=1).astype(np.float32)
