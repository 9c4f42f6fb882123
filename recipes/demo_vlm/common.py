"""What the training stages share: a schedule by the clock, precision, batches made elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

__all__ = ["Clock", "autocast", "batches", "compiled", "device", "layers", "load", "log"]

Batch = TypeVar("Batch")


class Clock:
    """Learning rates that follow the wall clock: a linear warm-up by steps, then a cosine to zero.

    Training for a given time rather than a given number of steps makes the cost of a run certain.

    Parameters
    ----------
    optimizer
        Its groups' ``lr`` at construction are the peaks.
    seconds
        How long to train.
    warm_up
        Steps of the linear rise.
    untimed
        First steps that don't count, since kernels are compiled in them.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, seconds: float, *, warm_up: int, untimed: int = 3
    ) -> None:
        self._optimizer = optimizer
        self._peaks = [group["lr"] for group in optimizer.param_groups]
        self._seconds = seconds
        self._warm_up = warm_up
        self._untimed = untimed
        self._start = time.monotonic()
        self.step = 0

    @property
    def share(self) -> float:
        """How much of the time has passed, 0…1."""
        return min((time.monotonic() - self._start) / self._seconds, 1.0)

    def tick(self) -> bool:
        """Set the learning rates for the next step; ``False`` when time is up."""
        if self.step <= self._untimed:
            self._start = time.monotonic()
        share = self.share
        scale = 0.5 * (1 + math.cos(math.pi * share)) * min(1.0, (self.step + 1) / self._warm_up)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * scale
        self.step += 1
        return share < 1.0


def device() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(where: torch.device) -> AbstractContextManager[Any]:
    """Return bfloat16 autocast on a GPU; CPUs without bfloat16 units are faster without."""
    return torch.autocast("cuda", torch.bfloat16) if where.type == "cuda" else nullcontext()


def layers(model: torch.nn.Module) -> torch.nn.ModuleList:
    """Return a transformer's stack of layers, however deep its release nests it."""
    return next(part for part in model.modules() if isinstance(part, torch.nn.ModuleList))


def compiled(stack: torch.nn.ModuleList, where: torch.device) -> None:
    """Compile each layer of a stack in place, on a GPU only."""
    if where.type == "cuda":
        for layer in stack:
            layer.compile(dynamic=False)


class _Stream(IterableDataset[Batch]):
    def __init__(self, make: Callable[[np.random.Generator], Iterator[Batch]], seed: int) -> None:
        self._make = make
        self._seed = seed

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        torch.set_num_threads(1)
        return self._make(np.random.default_rng([self._seed, info.id if info else 0]))


def batches(
    make: Callable[[np.random.Generator], Iterator[Batch]], *, seed: int, workers: int
) -> Iterator[Batch]:
    """Yield what ``make`` yields, made ahead in worker processes, each with its own generator."""
    loader: DataLoader[Batch] = DataLoader(
        _Stream(make, seed),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="fork" if workers else None,
    )
    return iter(loader)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this recipe: tensors and plain values only."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def log(stage: str, **values: float | str) -> None:
    """Print one line of progress."""
    text = " ".join(
        f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items()
    )
    print(f"[{time.strftime('%H:%M:%S')}] {stage}: {text}", flush=True)
