"""Does gain fall with base probability: measured, and by noise alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from superneurons.amplify.outcome import Outcome, best_of_reported, held_out
from superneurons.amplify.readings import log_odds_of
from superneurons.amplify.sweep import TaskSweep
from superneurons.amplify.table import Cell, Table
from superneurons.amplify.zones import Noise, null_correlations, spearman
from superneurons.errors import DataError

__all__ = ["correlation_table", "noise_of_random"]

_Gain: TypeAlias = Literal["relative", "log-odds"]
_NOISES: tuple[Noise, ...] = ("probability", "log-odds")
_GAINS: tuple[_Gain, ...] = ("relative", "log-odds")
_CHOSEN: tuple[tuple[str, Callable[[TaskSweep, str], Outcome]], ...] = (
    ("on the reported prompts", best_of_reported),
    ("on the other half", held_out),
)


def noise_of_random(swept: Sequence[TaskSweep]) -> dict[Noise, float]:
    """Return how far neurons drawn at random move a task's mean probability.

    Parameters
    ----------
    swept
        With at least one draw.

    Returns
    -------
    dict
        Root mean square over tasks and settings: in probability, and in the log-odds of it.

    Raises
    ------
    DataError
        When the sweep has no random control.
    """
    moved: dict[Noise, list[NDArray[np.float64]]] = {"probability": [], "log-odds": []}
    for one in swept:
        drawn = [i for i, kind in enumerate(one.grid.kinds) if kind.startswith("random")]
        if not drawn:
            raise DataError(
                "The noise of random neurons is not known: none were drawn.",
                where="draws",
                mend="Sweep with at least one draw.",
            )
        rows = one.reporting
        base = one.base.rows(rows).probability.mean()
        after = one.found.rows(rows).probability[:, drawn].mean(axis=-1).ravel()
        moved["probability"].append(after - base)
        moved["log-odds"].append(log_odds_of(after) - log_odds_of(base))
    return {kind: float(np.sqrt(np.mean(np.concatenate(found) ** 2)))
            for kind, found in moved.items()}  # fmt: skip


def correlation_table(swept: Sequence[TaskSweep]) -> Table:
    """Correlate base probability and gain over tasks, beside what noise gives.

    Parameters
    ----------
    swept
        At least four tasks, with a random control.

    Raises
    ------
    DataError
        With fewer tasks, or without that control.
    """
    spread, settings = noise_of_random(swept), _settings(swept[0])
    rows: list[tuple[Cell, ...]] = []
    for (how, outcome_of), gain in product(_CHOSEN, _GAINS):
        found = [outcome_of(one, "found") for one in swept]
        drawn = [outcome_of(one, "random 1") for one in swept]
        measured = spearman(_base(found), _gains(found, gain))
        cells: list[Cell] = [
            how, gain, (measured.rho, *measured.interval), measured.p,
            spearman(_base(drawn), _gains(drawn, gain)).rho,
        ]  # fmt: skip
        for noise in _NOISES:
            null = null_correlations(
                _base(found), spread[noise], noise=noise, gain=gain,
                configurations=settings if outcome_of is best_of_reported else 1,
            )  # fmt: skip
            low, high = np.quantile(null, [0.025, 0.975])
            cells.append((float(null.mean()), float(low), float(high)))
        rows.append(tuple(cells))
    columns = (
        ("setting chosen", "text"), ("gain", "text"), ("Spearman, found (95 %)", "gain"),
        ("p", "number"), ("random neurons", "gain"),
        ("noise in probability (95 %)", "gain"), ("noise in log-odds (95 %)", "gain"),
    )  # fmt: skip
    note = (
        f"Over {len(swept)} tasks: base probability against gain, both of the mean over the "
        "reported prompts. Noise: knows no task, as large as what random neurons do "
        f"({spread['probability']:.3f} in probability, {spread['log-odds']:.2f} in log-odds), the "
        f"best of {settings} settings where they are chosen on the reported prompts. The "
        "publication gives -0.762, p = 0.004."
    )
    return Table("Base probability against gain", columns, tuple(rows), note)


def _settings(one: TaskSweep) -> int:
    return len(one.grid.layers) * len(one.grid.counts) * len(one.grid.multipliers)


def _base(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    return np.array([found.base.probability.mean() for found in outcomes])


def _gains(outcomes: Sequence[Outcome], gain: _Gain) -> NDArray[np.float64]:
    if gain == "relative":
        return np.array([found.relative_gain for found in outcomes])
    return np.array([found.log_odds_gain[0] for found in outcomes])
