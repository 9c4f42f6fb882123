"""What all makers of twin scenes work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from superneurons.demo.atlas import Atlas
from superneurons.demo.casting import class_weights
from superneurons.demo.render import cover
from superneurons.demo.scenes import EMPTY, SLOTS, Scenes, sample_scenes

__all__ = ["Bools", "Ints", "Stage", "Twins", "at"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass
class Twins:
    """Pairs of scenes with one question each.

    Parameters
    ----------
    first, second
        ``P`` scenes each.
    questions
        ``P`` strings, asked of both twins.
    labels
        ``P`` pairs of answers, of the first and of the second twin.
    options
        ``P`` tuples of possible answers, where they differ from pair to pair.
    good
        ``(P,)`` bool: pairs a person can tell apart.
    """

    first: Scenes
    second: Scenes
    questions: list[str]
    labels: list[tuple[str, str]]
    good: Bools
    options: list[tuple[str, ...]] | None = None

    def keep(self) -> Twins:
        """Return the good pairs."""
        rows = np.flatnonzero(self.good)
        return Twins(
            self.first.take(rows),
            self.second.take(rows),
            [self.questions[i] for i in rows],
            [self.labels[i] for i in rows],
            self.good[rows],
            None if self.options is None else [self.options[i] for i in rows],
        )


@dataclass
class Stage:
    """The atlas, the sprites to use, the backgrounds and the randomness."""

    atlas: Atlas
    pool: Ints
    backgrounds: Literal["seen", "unseen"]
    rng: np.random.Generator

    def scenes(self, n: int, low: int = 1, high: int = SLOTS, *, plain: bool = False) -> Scenes:
        """Draw scenes of ``low`` to ``high`` things."""
        counts = self.rng.integers(low, high + 1, n)
        return sample_scenes(
            n,
            self.atlas,
            self.rng,
            sprites=self.pool,
            backgrounds=self.backgrounds,
            counts=counts,
            plain=plain,
        )

    def slots(self, scenes: Scenes) -> tuple[Ints, Ints]:
        """Draw two slots of each scene; the second is empty where there is but one thing."""
        keys = np.where(scenes.present, self.rng.random(scenes.sprite.shape), -1)
        order = np.argsort(-keys, axis=1)
        return order[:, 0], order[:, 1]

    def sprites_of(self, classes: Ints) -> Ints:
        """Draw a sprite of each class; -1 where the pool has none."""
        labels = self.atlas.labels[self.pool]
        order = np.argsort(labels, kind="stable")
        start = np.searchsorted(labels[order], classes, side="left")
        count = np.searchsorted(labels[order], classes, side="right") - start
        drawn = start + (self.rng.random(len(classes)) * count).astype(np.int64)
        return np.where(count > 0, self.pool[order][np.minimum(drawn, len(order) - 1)], EMPTY)

    def classes_drawn(self, n: int, among: Ints | None = None) -> Ints:
        """Draw classes that the pool can show, as often as scenes show them."""
        able = np.unique(self.atlas.labels[self.pool])
        able = able if among is None else np.intersect1d(able, among)
        weights = class_weights(len(self.atlas.classes))[able]
        return np.asarray(self.rng.choice(able, size=n, p=weights / weights.sum()))

    def visible(self, scenes: Scenes) -> NDArray[np.float32]:
        """Return the share of each thing that can be seen, ``(B, 5)``."""
        return np.asarray(cover(scenes, self.atlas)[0])

    def names(self, classes: Ints) -> list[str]:
        """Return the names of classes."""
        return [self.atlas.classes[c] for c in classes]


def at(values: NDArray[Any], slots: Ints) -> NDArray[Any]:
    """Return one value per scene, that of the scene's given slot."""
    return np.asarray(values[np.arange(len(slots)), slots])
