"""Choose a setting on one half of a task's prompts, and see on the other what it brings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from superneurons.amplify.gate import Gate, choose_gate
from superneurons.amplify.readings import Readings
from superneurons.amplify.sweep import TaskSweep
from superneurons.amplify.zones import mean_interval, relative_gain
from superneurons.errors import DataError
from superneurons.evaluate.intervals import Interval

__all__ = ["Choice", "Outcome", "best_of_reported", "choose", "gains", "gated", "held_out"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting of a grid.

    Parameters
    ----------
    layer, count, multiplier
        What is amplified, and by how much.
    index
        Its place in the grid: layer, count, multiplier.
    """

    layer: int
    count: int
    multiplier: float
    index: tuple[int, int, int]


@dataclass(frozen=True)
class Outcome:
    """What a setting does to some prompts of a task.

    Parameters
    ----------
    task
        Its name.
    kind
        Which neurons: one of the grid's kinds.
    choice
        The setting.
    base, amplified
        Of the same prompts.
    gate
        Where only unsure prompts were amplified, the gate.
    """

    task: str
    kind: str
    choice: Choice
    base: Readings = field(repr=False)
    amplified: Readings = field(repr=False)
    gate: Gate | None = None

    @property
    def threshold(self) -> float:
        """Confidence below which prompts are amplified; 1 where all are."""
        return 1.0 if self.gate is None else min(self.gate.threshold, 1.0)

    @property
    def opened(self) -> NDArray[np.bool_]:
        """Which prompts were amplified, shape (N,)."""
        if self.gate is None:
            return np.ones(len(self.base.log_odds), dtype=bool)
        return self.gate.open(self.base.confidence)

    @property
    def log_odds_gain(self) -> tuple[float, Interval]:
        """Mean over prompts, and its 95 % bootstrap interval."""
        return mean_interval(self.amplified.log_odds.astype(float) - self.base.log_odds)

    @property
    def relative_gain(self) -> float:
        """Of the mean probability, in percent."""
        before, after = self.base.probability.mean(), self.amplified.probability.mean()
        return float(relative_gain(before, after))

    @property
    def accuracies(self) -> tuple[float, float]:
        """Share of prompts whose right token is the likeliest, before and after."""
        return float((self.base.rank == 1).mean()), float((self.amplified.rank == 1).mean())

    @property
    def ranks(self) -> tuple[float, float]:
        """Median rank of the right token, before and after."""
        return float(np.median(self.base.rank)), float(np.median(self.amplified.rank))


def gains(swept: TaskSweep, kind: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean log-odds gain of every setting, shape (layers, counts, multipliers).

    Parameters
    ----------
    swept
        One task.
    kind
        Which neurons.
    rows
        Numbers of the prompts.

    Raises
    ------
    DataError
        When there is no such kind.
    """
    found = _of_kind(swept, kind).log_odds[..., rows].astype(np.float64)
    return np.asarray((found - swept.base.log_odds[rows]).mean(axis=-1))


def choose(swept: TaskSweep, kind: str = "found") -> Choice:
    """Choose the setting with the largest mean log-odds gain on the choosing half.

    Raises
    ------
    DataError
        When there is no such kind.
    """
    return _best(swept, gains(swept, kind, swept.choosing))


def held_out(swept: TaskSweep, kind: str = "found", choice: Choice | None = None) -> Outcome:
    """See what a setting does to the reporting half.

    Parameters
    ----------
    swept
        One task.
    kind
        Which neurons.
    choice
        The setting; by default the one that these neurons choose on the other half.

    Raises
    ------
    DataError
        When there is no such kind.
    """
    choice = choose(swept, kind) if choice is None else choice
    return _outcome(swept, kind, choice, swept.reporting)


def best_of_reported(swept: TaskSweep, kind: str = "found") -> Outcome:
    """Choose by relative gain on the very prompts that are reported, as the publication seems to.

    Raises
    ------
    DataError
        When there is no such kind.
    """
    rows = swept.reporting
    after = _of_kind(swept, kind).rows(rows).probability.mean(axis=-1)
    return _outcome(swept, kind, _best(swept, after), rows)


def gated(swept: TaskSweep, kind: str = "found") -> Outcome:
    """As :func:`held_out`, amplifying only prompts that the base model is unsure of.

    Setting and threshold are both chosen on the choosing half; the other prompts stay as they are.

    Raises
    ------
    DataError
        When there is no such kind.
    """
    choice = choose(swept, kind)
    there = _outcome(swept, kind, choice, swept.choosing)
    gate = choose_gate(there.base.confidence, there.base.log_odds, there.amplified.log_odds)
    here = _outcome(swept, kind, choice, swept.reporting)
    opened = gate.open(here.base.confidence)
    amplified = Readings(
        np.where(opened, here.amplified.log_odds, here.base.log_odds),
        np.where(opened, here.amplified.rank, here.base.rank),
        np.where(opened, here.amplified.confidence, here.base.confidence),
    )
    return Outcome(here.task, kind, choice, here.base, amplified, gate)


def _outcome(swept: TaskSweep, kind: str, choice: Choice, rows: NDArray[np.int64]) -> Outcome:
    of_kind = _of_kind(swept, kind)
    amplified = Readings(
        of_kind.log_odds[choice.index], of_kind.rank[choice.index], of_kind.confidence[choice.index]
    )
    return Outcome(swept.task.name, kind, choice, swept.base.rows(rows), amplified.rows(rows))


def _best(swept: TaskSweep, worth: NDArray[np.float64]) -> Choice:
    layer, count, times = (int(i) for i in np.unravel_index(int(np.argmax(worth)), worth.shape))
    grid = swept.grid
    return Choice(
        grid.layers[layer], grid.counts[count], grid.multipliers[times], (layer, count, times)
    )


def _of_kind(swept: TaskSweep, kind: str) -> Readings:
    """Shape (layers, counts, multipliers, N)."""
    if kind not in swept.grid.kinds:
        raise DataError(
            f"No neurons of the sweep are called {kind!r}.",
            where=f"task {swept.task.name!r}",
            mend=f"Choose from: {', '.join(swept.grid.kinds)}.",
        )
    which = swept.grid.kinds.index(kind)
    found = swept.found
    return Readings(found.log_odds[:, which], found.rank[:, which], found.confidence[:, which])
