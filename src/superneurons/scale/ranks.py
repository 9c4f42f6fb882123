"""One of several processes that share out work and sum up what they counted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError

__all__ = ["Rank", "device_of", "joined_ranks", "rank_of_environment"]

_T = TypeVar("_T")

# Ranks wait for the slowest; that one has died is noticed by whoever started them.
_LONGEST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Rank:
    """One of the processes.

    Parameters
    ----------
    rank
        Its number, from 0.
    world
        How many there are.
    local
        Its number among those on its machine.

    Examples
    --------
    >>> Rank(1, 3).share(range(8))
    [1, 4, 7]
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    def share(self, items: Sequence[_T]) -> list[_T]:
        """Return its part of the work: every ``world``-th item."""
        return list(items[self.rank :: self.world])

    def summed(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sum an array of whole numbers over all ranks; each gets the sum."""
        if self.world == 1:
            return counts
        import torch

        total = torch.from_numpy(counts.copy())
        torch.distributed.all_reduce(total)
        return np.asarray(total.numpy())

    def gathered(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return the array of each rank, in order; for a few numbers per record."""
        if self.world == 1:
            return [values]
        import torch

        found: list[NDArray[np.float64]] = [values] * self.world
        torch.distributed.all_gather_object(found, values)
        return found

    def wait(self) -> None:
        """Go on when all ranks are here."""
        if self.world > 1:
            import torch

            torch.distributed.barrier()


def rank_of_environment() -> Rank | None:
    """Return which rank this process is, as ``torchrun`` says it; nothing without it.

    Raises
    ------
    DataError
        When ``RANK`` and ``WORLD_SIZE`` are no such numbers.
    """
    given = [os.environ.get(name) for name in ("RANK", "WORLD_SIZE")]
    if None in given:
        return None
    try:
        rank, world = (int(str(value)) for value in given)
        local = int(os.environ.get("LOCAL_RANK", "0"))
    except ValueError:
        rank, world, local = -1, 0, 0
    if not 0 <= rank < world:
        raise DataError(
            f"RANK={given[0]} of WORLD_SIZE={given[1]} is no process of several.",
            where="environment",
            mend="Start it with torchrun, or unset both.",
        )
    return Rank(rank, world, local)


def device_of(rank: Rank, device: str) -> str:
    """Return the device of a rank: for ``auto`` the GPU of its number on the machine."""
    import torch

    if device != "auto" or not torch.cuda.is_available():
        return device
    return f"cuda:{rank.local % torch.cuda.device_count()}"


@contextmanager
def joined_ranks(rank: Rank, meet_at: str | None = None) -> Iterator[Rank]:
    """Meet the other ranks; leave them at the end.

    Parameters
    ----------
    rank
        This one.
    meet_at
        Where: ``file://…`` or ``tcp://HOST:PORT``; by default as ``torchrun`` says.
    """
    if rank.world == 1:
        yield rank
        return
    import torch

    # Counts are summed on the CPU: they are few, and so nothing depends on the kind of device.
    torch.distributed.init_process_group(
        "gloo", init_method=meet_at or "env://", rank=rank.rank, world_size=rank.world,
        timeout=_LONGEST,
    )  # fmt: skip
    try:
        yield rank
    finally:
        torch.distributed.destroy_process_group()
