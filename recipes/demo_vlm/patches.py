"""Naming what lies in each patch of a scene: the task of teacher and vision tower."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from common import batches
from numpy.typing import NDArray

from superneurons.demo.atlas import UNLABELLED, Atlas
from superneurons.demo.render import patch_targets, render
from superneurons.demo.scenes import Scenes, sample_scenes

__all__ = ["front_loss", "move_atlas", "naming_quality", "practice_split", "scene_batches"]

_BACKGROUND_WEIGHT = 0.15
_IGNORED = -100


def move_atlas(atlas: Atlas, where: torch.device) -> Atlas:
    """Return the atlas with its pixels on a device."""
    return replace(atlas, pixels=atlas.pixels.to(where))


def practice_split(atlas: Atlas, share: float, seed: int) -> tuple[Atlas, NDArray[np.int64]]:
    """Take away the labels of some clip art, of classes that keep at least two sprites.

    The vision tower then meets them without names, as it meets the unknown drawings of a test; the
    language model, trained on top with all sprites, learns how far to trust such a tower. Emoji
    come in several styles of one design, so that a nameless one would not be unknown.

    Returns
    -------
    atlas
        The same pictures, fewer labels.
    practice
        Indices of the sprites that lost theirs.
    """
    rng = np.random.default_rng(seed)
    left = np.bincount(atlas.labels[atlas.labels != UNLABELLED], minlength=len(atlas.classes))
    chosen: list[int] = []
    pool = atlas.pool(seen=True)
    clip_art = [index for index in pool if atlas.sources[index].startswith("openclipart/")]
    for index in rng.permutation(np.array(clip_art, dtype=np.int64)):
        if len(chosen) >= share * len(pool):
            break
        if left[atlas.labels[index]] > 2:
            left[atlas.labels[index]] -= 1
            chosen.append(int(index))
    practice = np.array(sorted(chosen), dtype=np.int64)
    labels = atlas.labels.copy()
    labels[practice] = UNLABELLED
    return replace(atlas, labels=labels), practice


def scene_batches(
    atlas: Atlas, sprites: NDArray[np.int64], size: int, *, seed: int, workers: int
) -> Iterator[Scenes]:
    """Yield batches of scenes without end."""
    return batches(partial(_endless, atlas, sprites, size), seed=seed, workers=workers)


def _endless(
    atlas: Atlas, sprites: NDArray[np.int64], size: int, rng: np.random.Generator
) -> Iterator[Scenes]:
    while True:
        yield sample_scenes(size, atlas, rng, sprites=sprites)


def front_loss(logits: torch.Tensor, front: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of the thing in front; the last class is the background.

    Parameters
    ----------
    logits
        ``(B, 64, C + 1)``.
    front
        ``(B, 8, 8)`` class, -1 background, -100 unsure.
    """
    background = logits.shape[-1] - 1
    target = torch.where(front == UNLABELLED, background, front).flatten()
    weight = torch.ones(background + 1, device=logits.device)
    weight[background] = _BACKGROUND_WEIGHT
    return F.cross_entropy(logits.float().flatten(0, 1), target, weight, ignore_index=_IGNORED)


@torch.no_grad()
def naming_quality(
    name: Callable[[torch.Tensor], torch.Tensor],
    atlas: Atlas,
    sprites: NDArray[np.int64],
    *,
    seed: int,
    n: int = 4096,
) -> dict[str, float]:
    """Measure ``name(pictures) -> (B, 64, C + 1)`` on new scenes of some sprites.

    Returns
    -------
    dict
        ``patch``: accuracy on patches that a thing covers. ``auc``: how often a class that is in
        the scene outscores one that isn't, by its best patch. ``presence``: accuracy of present
        against as many absent classes at the best threshold.
    """
    rng = np.random.default_rng(seed)
    where = atlas.pixels.device
    right, covered = 0, 0
    present_scores, absent_scores, aucs = [], [], []
    for _ in range(max(n // 512, 1)):
        scenes = sample_scenes(min(n, 512), atlas, rng, sprites=sprites)
        logits = name(render(scenes, atlas, where)).float()
        front, _ = patch_targets(scenes, atlas, where)
        things = front.flatten(1) >= 0
        right += int(((logits[..., :-1].argmax(-1) == front.flatten(1)) & things).sum())
        covered += int(things.sum())
        score = logits.log_softmax(-1)[..., :-1].amax(1)
        kinds = torch.from_numpy(scenes.classes(atlas)).to(where)
        truth = torch.zeros_like(score, dtype=torch.bool)
        truth.scatter_(1, kinds.clamp(min=0), True)
        truth[kinds[:, 0] < 0, 0] = False
        rows, columns = torch.nonzero(kinds >= 0, as_tuple=True)
        own = score[rows, kinds[rows, columns]]
        aucs.append(((score[rows] < own[:, None]) & ~truth[rows]).sum(1) / (~truth[rows]).sum(1))
        present_scores.append(own)
        others = torch.rand_like(score).masked_fill(truth, -1).argmax(1)
        absent_scores.append(score.gather(1, others[:, None])[:, 0])
    own, other = torch.cat(present_scores), torch.cat(absent_scores)
    edges = torch.quantile(torch.cat([own[:8192], other[:8192]]), torch.linspace(0, 1, 101).to(own))
    accuracy = (
        (own[:, None] > edges).float().mean(0) + (other[:, None] <= edges).float().mean(0)
    ) / 2
    return {
        "patch": right / max(covered, 1),
        "auc": float(torch.cat(aucs).mean()),
        "presence": float(accuracy.max()),
    }
