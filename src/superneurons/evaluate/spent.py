"""What a piece of work takes: seconds of the wall clock, and memory at most."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

__all__ = ["Spent", "spending"]

_SELF = Path("/proc/self")


@dataclass(slots=True)
class Spent:
    """What some work took.

    Parameters
    ----------
    seconds
        By the wall clock, until the device is done.
    peak_bytes
        Most memory beyond what was held when it began: of tensors on a GPU, of the process on a
        CPU under Linux; ``None`` elsewhere. What a process gave back to itself before doesn't count
        as new, so of several pieces of work in one process the later ones may seem smaller.

    Examples
    --------
    >>> Spent(1.0, 5) + Spent(0.5, 9)
    Spent(seconds=1.5, peak_bytes=9)
    """

    seconds: float = 0.0
    peak_bytes: int | None = None

    def __add__(self, other: Spent) -> Spent:
        """One after the other: seconds add up, of the peaks the higher one is left."""
        known = [peak for peak in (self.peak_bytes, other.peak_bytes) if peak is not None]
        return Spent(self.seconds + other.seconds, max(known, default=None))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"seconds": self.seconds, "peak_bytes": self.peak_bytes}


@contextmanager
def spending(device: torch.device | str) -> Iterator[Spent]:
    """Measure what is done while it is open; what it gives is filled in at the end.

    Parameters
    ----------
    device
        Where the work happens.

    Examples
    --------
    >>> with spending("cpu") as spent:
    ...     work = sum(range(1000))
    >>> spent.seconds > 0
    True
    """
    device, spent = torch.device(device), Spent()
    held = _begin(device)
    begun = time.perf_counter()
    try:
        yield spent
    finally:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        spent.seconds = time.perf_counter() - begun
        if held is not None:
            spent.peak_bytes = max(0, _peak(device) - held)


def _begin(device: torch.device) -> int | None:
    """Let the peak start anew, and return what is held now; ``None`` where that isn't known."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        return int(torch.cuda.memory_allocated(device))
    try:
        (_SELF / "clear_refs").write_text("5")
        return _of_process("VmRSS")
    except OSError:
        return None


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _of_process("VmHWM")


def _of_process(name: str) -> int:
    lines = (_SELF / "status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
