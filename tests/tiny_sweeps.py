"""Small tasks of one-letter answers, and sweeps made of given numbers."""

from __future__ import annotations

import numpy as np

from superneurons.amplify.readings import Readings
from superneurons.amplify.sweep import Grid, TaskSweep
from superneurons.amplify.tasks import TextTask

__all__ = ["GRID", "made_up", "tiny_task"]

GRID = Grid((1, 3), counts=(2, 6), multipliers=(2.0, -4.0), draws=1)


def tiny_task(name: str = "letters", n: int = 8, field: str = "spelling") -> TextTask:
    """The letter after a run of letters; a tokenizer of bytes has one token for each."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    start = sum(map(ord, name)) % 5
    runs = [letters[i : i + 3] for i in range(start, start + n)]
    return TextTask(
        name,
        field,
        tuple(f"{run}" for run in runs),
        tuple(letters[letters.index(run) + 3] for run in runs),
        tuple(f"{run[::-1]}" for run in runs),
    )


def made_up(
    name: str = "made up", base: float = -2.0, *, n: int = 12, seed: int = 0, spread: float = 1.0
) -> TaskSweep:
    """A sweep where the neurons found raise the log-odds by layer and multiplier, others hardly."""
    rng = np.random.default_rng(seed)
    grid = Grid((2, 5, 7), counts=(3, 9), multipliers=(1.5, 3.0), draws=2)
    letters = tuple(f"prompt {i}" for i in range(n))
    task = TextTask(name, "made up", letters, ("x",) * n, tuple(f"other {i}" for i in range(n)))
    shape = (3, len(grid.kinds), 2, 2, n)
    shift = rng.normal(scale=0.05, size=shape)
    shift[1, 0] += 0.5
    shift[1, 0, 1, 1] += 0.5
    plain = base + spread * rng.normal(size=n)
    odds = (plain + shift).astype(np.float32)
    plain = plain.astype(np.float32)
    return TaskSweep(task, grid, _read(plain), _read(odds), *task.halves())


def _read(log_odds: np.ndarray) -> Readings:
    p = 1 / (1 + np.exp(-log_odds.astype(float)))
    rank = np.where(p > 0.5, 1, np.ceil(1 / p)).astype(np.int32)
    return Readings(log_odds, rank, np.maximum(p, 0.3).astype(np.float32))
