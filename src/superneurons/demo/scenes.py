"""Scenes: which things lie where, how they look, and in what light, as arrays.

A scene holds one to five things of different classes in slots ordered from back to front. Nothing
here touches a pixel; :mod:`superneurons.demo.render` does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superneurons.demo.atlas import UNLABELLED, Atlas
from superneurons.demo.backgrounds import SEEN_FAMILIES, UNSEEN_FAMILIES, draw_colours
from superneurons.demo.casting import SLOTS, draw_sprites

__all__ = [
    "EMPTY",
    "GRID",
    "IMAGE_SIZE",
    "SLOTS",
    "Scenes",
    "concat",
    "draw_layout",
    "sample_scenes",
]

IMAGE_SIZE = 128
GRID = 8
EMPTY = -1

_COUNT_ODDS = (0.14, 0.22, 0.24, 0.22, 0.18)
_SMALLEST, _LARGEST = 0.2, 0.52
_LAYOUTS = 8
_BLURRED_SHARE, _DARK_SHARE = 0.08, 0.08

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass
class Scenes:
    """``B`` scenes as a struct of arrays; slots run from back to front.

    Parameters
    ----------
    sprite
        ``(B, 5)`` int64 index into the atlas; -1 for an empty slot.
    centre
        ``(B, 5, 2)`` float32 x and y, in canvas sides (0…1).
    size
        ``(B, 5)`` float32 longer side of the drawing, in canvas sides.
    angle, aspect, shear
        ``(B, 5)`` float32: radians; width over height; sideways slant.
    flip
        ``(B, 5)`` bool, mirrored left to right.
    gains, saturation
        ``(B, 5, 3)`` and ``(B, 5)`` float32 colour changes; 1 leaves the colour alone.
    family, colours, shape
        The background: ``(B,)`` int64, ``(B, 2, 3)`` and ``(B, 4)`` float32.
    contrast, light, blur, noise
        ``(B,)`` float32: contrast and light as factors, blur as a standard deviation in pixels,
        noise as a standard deviation in 0…1.
    seed
        ``(B,)`` int64 from which pattern and noise are made.
    """

    sprite: Ints
    centre: Floats
    size: Floats
    angle: Floats
    aspect: Floats
    shear: Floats
    flip: NDArray[np.bool_]
    gains: Floats
    saturation: Floats
    family: Ints
    colours: Floats
    shape: Floats
    contrast: Floats
    light: Floats
    blur: Floats
    noise: Floats
    seed: Ints

    def __len__(self) -> int:
        return len(self.sprite)

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(B, 5)`` bool: which slots hold a thing."""
        return self.sprite != EMPTY

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Scenes:
        """Return a copy of these scenes."""
        return Scenes(**{f.name: getattr(self, f.name)[index].copy() for f in fields(self)})

    def swap_slots(self, rows: Ints, first: Ints, second: Ints) -> None:
        """Exchange two things in depth, in place: they keep their place on the canvas."""
        for name in _PER_THING:
            values = getattr(self, name)
            values[rows, first], values[rows, second] = (
                values[rows, second].copy(),
                values[rows, first].copy(),
            )

    def classes(self, atlas: Atlas) -> Ints:
        """Return the class in each slot, ``(B, 5)``; -1 where empty or unlabelled."""
        return np.where(self.present, atlas.labels[np.maximum(self.sprite, 0)], UNLABELLED)


_PER_THING = (
    *("sprite", "centre", "size", "angle", "aspect", "shear", "flip", "gains", "saturation"),
)


def concat(parts: list[Scenes]) -> Scenes:
    """Return all scenes of the parts, in order."""
    names = [f.name for f in fields(Scenes)]
    return Scenes(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def sample_scenes(
    n: int,
    atlas: Atlas,
    rng: np.random.Generator,
    *,
    sprites: NDArray[np.int64],
    backgrounds: Literal["seen", "unseen"] = "seen",
    counts: NDArray[np.int64] | None = None,
    plain: bool = False,
) -> Scenes:
    """Draw scenes at random.

    Parameters
    ----------
    n, atlas, rng
        How many, where the sprites come from, and the source of all randomness.
    sprites
        Indices of the sprites that may be used. Unlabelled ones, if any, fill half the slots.
    backgrounds
        The families of backgrounds used in training, or the ones kept for tests.
    counts
        ``(n,)`` number of things in each scene, 1…5; drawn when not given.
    plain
        Without the occasional blur and darkness.

    Returns
    -------
    Scenes
        No scene shows two things of one class.
    """
    if counts is None:
        counts = rng.choice(SLOTS, size=n, p=_COUNT_ODDS).astype(np.int64) + 1
    present = np.arange(SLOTS)[None] < counts[:, None]
    sprite = np.where(present, draw_sprites(n, atlas, rng, sprites), EMPTY)
    size, centre = draw_layout(present, rng)
    families = SEEN_FAMILIES if backgrounds == "seen" else UNSEEN_FAMILIES
    blurred = (rng.random(n) < _BLURRED_SHARE) & (not plain)
    dark = (rng.random(n) < _DARK_SHARE) & (not plain)
    jittered = rng.random((n, SLOTS)) < 0.5
    return Scenes(
        sprite=sprite,
        centre=centre,
        size=size,
        angle=_floats(rng.uniform(-0.45, 0.45, (n, SLOTS))),
        aspect=_floats(np.exp(rng.uniform(-0.28, 0.28, (n, SLOTS)))),
        shear=_floats(rng.uniform(-0.25, 0.25, (n, SLOTS))),
        flip=rng.random((n, SLOTS)) < 0.5,
        gains=_floats(np.where(jittered[..., None], rng.uniform(0.55, 1.45, (n, SLOTS, 3)), 1)),
        saturation=_floats(np.where(jittered, rng.uniform(0, 1.3, (n, SLOTS)), 1)),
        family=rng.choice(families, n).astype(np.int64),
        colours=draw_colours(n, rng),
        shape=_floats(rng.random((n, 4))),
        contrast=_floats(np.where(rng.random(n) < 0.3, rng.uniform(0.45, 1, n), 1)),
        light=_floats(np.where(dark, rng.uniform(0.18, 0.4, n), rng.uniform(0.85, 1, n))),
        blur=_floats(np.where(blurred, rng.uniform(1.5, 3, n), 0)),
        noise=_floats(rng.uniform(0, 0.045, n)),
        seed=rng.integers(0, 2**30, n, dtype=np.int64),
    )


def draw_layout(
    present: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw sizes and places that overlap now and then, ``(n, 5)`` and ``(n, 5, 2)`` float32.

    Of eight layouts the first is kept whose closest two things are further apart than a distance
    drawn for the scene; some scenes are airy, some crowded.
    """
    n = len(present)
    crowd = 1 - 0.06 * (present.sum(1, keepdims=True) - 1)
    span = rng.random((n, SLOTS)) * np.log(_LARGEST / _SMALLEST)
    size = _SMALLEST * np.exp(span) * np.maximum(crowd, 0.8)
    free = rng.random((n, _LAYOUTS, SLOTS, 2))
    margin = 0.46 * size[:, None, :, None]
    centre = margin + free * (1 - 2 * margin)
    gap = np.linalg.norm(centre[:, :, :, None] - centre[:, :, None, :], axis=-1)
    gap /= 0.5 * (size[:, None, :, None] + size[:, None, None, :])
    both = present[:, None, :, None] & present[:, None, None, :] & ~np.eye(SLOTS, dtype=bool)
    closest = np.where(both, gap, np.inf).min(axis=(2, 3))
    enough = closest > rng.uniform(0.45, 1.05, (n, 1))
    chosen = np.where(enough.any(1), enough.argmax(1), closest.argmax(1))
    return _floats(size), _floats(centre[np.arange(n), chosen])


def _floats(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)
