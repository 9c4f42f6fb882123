"""What ranks run in tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from superneurons.errors import DataError
from superneurons.scale.ranks import Rank


def meet(rank: Rank, factor: int, told: Callable[[int, int], None]) -> dict[str, Any]:
    told(1, 2)
    mine = np.array([1, 10 * rank.rank, 2**40], dtype=np.int64) * factor
    total, parts = rank.summed(mine), rank.gathered(np.full(rank.rank + 1, rank.rank / 2))
    rank.wait()
    told(2, 2)
    return {
        "total": total.tolist(),
        "parts": [part.tolist() for part in parts],
        "mine": mine.tolist(),
        "pid": os.getpid(),
    }


def fail(rank: Rank, how: str, _: Callable[[int, int], None]) -> None:
    if rank.rank == 1 and how == "refused":
        raise DataError("No such thing.", where="rank 1", mend="Ask for another.")
    if rank.rank == 1:
        os._exit(9)
    rank.wait()
