"""Pairs of scenes that differ only in what decides the answer to one question.

Both twins are asked the same string and have different answers, so that nobody can do better
than chance without looking.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superneurons.demo.atlas import Atlas
from superneurons.demo.scenes import concat
from superneurons.demo.stage import Stage, Twins
from superneurons.demo.twin_kinds import TWIN_KINDS

__all__ = ["make_twins"]

_OVERSAMPLE, _LEAST_DRAWN = 4, 64


def make_twins(
    kind: str,
    pairs: int,
    atlas: Atlas,
    rng: np.random.Generator,
    *,
    pool: NDArray[np.int64],
    backgrounds: Literal["seen", "unseen"],
) -> Twins:
    """Make twins of one of :data:`TWIN_KINDS`.

    Parameters
    ----------
    kind
        What the question is about.
    pairs
        How many pairs.
    atlas, pool
        The sprites, and the indices of those to use.
    rng
        Source of all randomness.
    backgrounds
        The families of training, or those kept for tests.
    """
    stage = Stage(atlas, pool, backgrounds, rng)
    parts: list[Twins] = []
    while (missing := pairs - sum(len(p.first) for p in parts)) > 0:
        drawn = TWIN_KINDS[kind](stage, max(_OVERSAMPLE * missing, _LEAST_DRAWN))
        parts.append(drawn.keep())
    twins = Twins(
        concat([p.first for p in parts]),
        concat([p.second for p in parts]),
        [q for p in parts for q in p.questions],
        [pair for p in parts for pair in p.labels],
        np.concatenate([p.good for p in parts]),
        None if parts[0].options is None else [o for p in parts for o in p.options or ()],
    )
    twins.good[pairs:] = False
    return twins.keep()
