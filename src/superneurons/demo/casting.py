"""Which things appear in a scene together: some classes are common, some keep company."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from superneurons.demo.atlas import UNLABELLED, Atlas
from superneurons.errors import DataError

__all__ = ["SLOTS", "class_weights", "draw_sprites", "partners", "popular_classes"]

SLOTS = 5

_PARTNER_SHARE, _SAME_GROUP_SHARE = 0.35, 0.12
_FIXED_SEED = 20_240


@cache
def _order(n_classes: int) -> NDArray[np.int64]:
    """Return a fixed random order of the classes, from common to rare."""
    return np.random.default_rng(_FIXED_SEED).permutation(n_classes)


def class_weights(n_classes: int) -> NDArray[np.float64]:
    """Return how often each class is drawn, ``(C,)``, summing to 1: a fixed, skewed order."""
    weights = np.empty(n_classes)
    weights[_order(n_classes)] = (np.arange(n_classes) + 4.0) ** -0.6
    return weights / weights.sum()


def popular_classes(n_classes: int) -> NDArray[np.int64]:
    """Return the commonest quarter of the classes: POPE's "popular"."""
    return _order(n_classes)[: max(n_classes // 4, 1)]


def partners(n_classes: int) -> NDArray[np.int64]:
    """Return each class's fixed companion, ``(C,)``: POPE's "adversarial" goes by these."""
    order = _order(n_classes)
    companion = np.empty(n_classes, dtype=np.int64)
    companion[order] = np.roll(order, -1)
    return companion


def draw_sprites(
    n: int, atlas: Atlas, rng: np.random.Generator, sprites: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Draw five sprites of five classes a scene.

    Parameters
    ----------
    n
        How many scenes.
    atlas
        Where the sprites come from.
    rng
        Source of randomness.
    sprites
        Indices of the sprites that may be used; nameless ones, if any, fill half the slots.

    Returns
    -------
    ndarray
        ``(n, 5)`` int64 indices into the atlas. In some scenes all things are of one group; in
        some a thing has its class's usual companion with it.

    Raises
    ------
    DataError
        When the sprites show fewer than five classes.
    """
    labels = atlas.labels[sprites]
    # A sprite without a name counts as a class of its own.
    kinds = np.where(labels == UNLABELLED, len(atlas.classes) + np.arange(len(sprites)), labels)
    names, start, count = np.unique(kinds[np.argsort(kinds)], return_index=True, return_counts=True)
    by_kind = sprites[np.argsort(kinds, kind="stable")]
    if len(names) < SLOTS:
        raise DataError(
            f"Scenes need sprites of {SLOTS} classes; these show {len(names)}.",
            mend="Allow more sprites.",
        )
    labelled = names < len(atlas.classes)
    weights = np.where(labelled, 0.0, 1.0)
    weights[labelled] = class_weights(len(atlas.classes))[names[labelled]]
    for part in (labelled, ~labelled):
        weights[part] /= max(weights[part].sum(), 1e-12)
    groups = np.full(len(names), -1)
    groups[labelled] = atlas.group_of[names[labelled]]
    theme = np.where(rng.random(n) < _SAME_GROUP_SHARE, rng.integers(0, len(atlas.groups), n), -1)
    for group in range(len(atlas.groups)):
        if np.count_nonzero(groups == group) < SLOTS:
            theme[theme == group] = -1
    chosen = _distinct(n, rng, weights, groups, theme)
    _invite_partners(chosen, names, len(atlas.classes), theme, rng)
    chosen = rng.permuted(chosen, axis=1)
    return by_kind[start[chosen] + (rng.random(chosen.shape) * count[chosen]).astype(np.int64)]


def _distinct(
    n: int,
    rng: np.random.Generator,
    weights: NDArray[np.float64],
    groups: NDArray[np.int64],
    theme: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Draw five different positions of ``weights`` a row, within the row's group if it has one."""
    chosen = np.empty((n, SLOTS), dtype=np.int64)
    for group in np.unique(theme):
        rows = np.flatnonzero(theme == group)
        odds = weights if group < 0 else weights * (groups == group)
        edges = np.cumsum(odds)
        draw = np.searchsorted(edges, rng.random((len(rows), SLOTS)) * edges[-1], side="right")
        while (again := _repeats(draw)).any():
            fresh = rng.random(int(again.sum())) * edges[-1]
            draw[again] = np.searchsorted(edges, fresh, side="right")
        chosen[rows] = np.minimum(draw, len(weights) - 1)
    return chosen


def _repeats(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark each value that an earlier one of its row equals."""
    same = values[:, :, None] == values[:, None, :]
    return np.asarray(np.tril(same, -1).any(axis=2))


def _invite_partners(
    chosen: NDArray[np.int64],
    names: NDArray[np.int64],
    n_classes: int,
    theme: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """Replace the second thing of some rows by the first one's partner, in place."""
    place = np.full(n_classes, -1)
    known = names < n_classes
    place[names[known]] = np.flatnonzero(known)
    first = names[chosen[:, 0]]
    able = (first < n_classes) & (theme < 0) & (rng.random(len(chosen)) < _PARTNER_SHARE)
    partner = place[partners(n_classes)[np.where(first < n_classes, first, 0)]]
    able &= (partner >= 0) & ~(chosen == partner[:, None]).any(1)
    chosen[able, 1] = partner[able]
