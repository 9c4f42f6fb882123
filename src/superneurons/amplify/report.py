"""What a sweep amounts to: held-out gains beside their controls, zones, and the null."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.store import write_atomically
from superneurons.amplify.correlations import correlation_table
from superneurons.amplify.effects import SideEffects
from superneurons.amplify.outcome import Outcome, best_of_reported, choose, gains, gated, held_out
from superneurons.amplify.sweep import TaskSweep
from superneurons.amplify.table import Cell, Table
from superneurons.amplify.zones import ZONES, mean_interval, relative_gain, zones
from superneurons.errors import ArtefactError, DataError

__all__ = ["REPORT_FILE", "SweepReport", "sweep_report"]

REPORT_FILE = "report.json"
_FORMAT = 1
_MEND = "Give the directory that `superneurons amplify sweep` wrote."


@dataclass(frozen=True)
class SweepReport:
    """Tables of a sweep, and what it was made of.

    Parameters
    ----------
    setting
        Model, grid and seed, as JSON values.
    tables
        In the order they are read.
    """

    setting: dict[str, Any]
    tables: tuple[Table, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        tables = [table.as_dict() for table in self.tables]
        return {"format": _FORMAT, "setting": self.setting, "tables": tables}

    def markdown(self) -> str:
        """Return all tables as Markdown."""
        return "\n\n".join(table.markdown() for table in self.tables) + "\n"

    def save(self, directory: Path) -> None:
        """Write it into a directory.

        Raises
        ------
        OutputError
            When that cannot be written.
        """
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        write_atomically(directory / REPORT_FILE, (text + "\n").encode())

    @classmethod
    def load(cls, directory: Path) -> SweepReport:
        """Read it from a directory.

        Raises
        ------
        ArtefactError
            When there is none, or it is damaged or of another version.
        """
        path = directory / REPORT_FILE
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtefactError(
                f"There is no report to read: {error}", where=str(path), mend=_MEND
            ) from error
        if not isinstance(given, dict) or given.get("format") != _FORMAT:
            raise ArtefactError(
                "This is no report of a sweep, or one of another version.",
                where=str(path),
                mend=_MEND,
            )
        tables = given.get("tables")
        if not isinstance(tables, list) or not isinstance(given.get("setting"), dict):
            raise ArtefactError("The report is damaged.", where=str(path), mend=_MEND)
        return cls(given["setting"], tuple(Table.from_dict(table) for table in tables))


def sweep_report(
    swept: Sequence[TaskSweep], effects: SideEffects | None = None, *, model: str = ""
) -> SweepReport:
    """Put the results of a sweep into tables.

    Parameters
    ----------
    swept
        One for each task, all of the same grid.
    effects
        What the chosen amplifications do elsewhere.
    model
        What the model is called.

    Raises
    ------
    DataError
        Without tasks.
    """
    if not swept:
        raise DataError("There is nothing to report.", where="tasks", mend="Sweep at least one.")
    grid = swept[0].grid
    setting = {
        "model": model, "tasks": [one.task.name for one in swept],
        "prompts": sum(len(one.task) for one in swept),
        "layers": list(grid.layers), "counts": list(grid.counts),
        "multipliers": list(grid.multipliers), "draws": grid.draws,
        "scoring": grid.scoring, "seed": grid.seed,
    }  # fmt: skip
    tables = [
        _held_out(swept), _controls(swept), _gate(swept), _zones(swept), _layers(swept),
    ]  # fmt: skip
    if len(swept) >= 4:
        tables.append(correlation_table(swept))
    if effects is not None:
        tables += [_elsewhere(swept, effects), _interference(swept, effects)]
    return SweepReport(setting, tuple(tables))


def _held_out(swept: Sequence[TaskSweep]) -> Table:
    rows = [_held_out_row(one) for one in swept]
    columns = (
        ("task", "text"), ("layer", "count"), ("neurons", "count"), ("×", "number"),
        ("base p", "share"), ("log-odds gain (95 %)", "gain"), ("relative gain", "percent"),
        ("best of reported", "percent"), ("accuracy before", "share"), ("after", "share"),
        ("median rank before", "count"), ("after ", "count"),
    )  # fmt: skip
    note = (
        "Setting chosen by log-odds gain on one half of each task's prompts, all else on the "
        "other half. Relative gain: of the mean probability of the right token. Best of reported: "
        "the same where the setting is chosen on the reported prompts themselves."
    )
    return Table("Held-out gain of the neurons found", columns, tuple(rows), note)


def _held_out_row(one: TaskSweep) -> tuple[Cell, ...]:
    found = held_out(one)
    return (
        one.task.name, found.choice.layer, found.choice.count, found.choice.multiplier,
        float(found.base.probability.mean()), _with_interval(found), found.relative_gain,
        best_of_reported(one).relative_gain, *found.accuracies, *found.ranks,
    )  # fmt: skip


def _controls(swept: Sequence[TaskSweep]) -> Table:
    """Each control chooses its own setting, as the neurons found do."""
    names = swept[0].grid.kinds
    rows: list[tuple[Cell, ...]] = []
    for one in swept:
        rows.append((one.task.name, *(held_out(one, kind).log_odds_gain[0] for kind in names)))
    table = np.array([row[1:] for row in rows], dtype=float)
    means = [mean_interval(column) for column in table.T]
    rows.append(("mean of tasks (95 %)", *((mean, *ends) for mean, ends in means)))
    ahead: list[Cell] = ["found ahead by", None]
    for column in table.T[1:]:
        lead, ends = mean_interval(table[:, 0] - column)
        ahead.append((lead, *ends))
    rows.append(tuple(ahead))
    accuracy = [_accuracy_gain(swept, kind) for kind in names]
    rows.append(("accuracy, mean of tasks", *accuracy))
    columns = (("task", "text"), *((name, "gain") for name in names))
    note = (
        "Held-out log-odds gain; the last row: accuracy gained, as a share. Each kind of neurons "
        "chooses its own layer, count and multiplier on the choosing half. Shuffled: found with "
        "task and control prompts mixed up. Loud: the largest mean magnitude, whatever the task. "
        "Random: drawn. Intervals: tasks drawn anew."
    )
    return Table("The same choice with control neurons", columns, tuple(rows), note)


def _accuracy_gain(swept: Sequence[TaskSweep], kind: str) -> tuple[float, float, float]:
    pairs = [held_out(one, kind).accuracies for one in swept]
    mean, ends = mean_interval([after - before for before, after in pairs])
    return (mean, *ends)


def _gate(swept: Sequence[TaskSweep]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in swept:
        always, found = held_out(one), gated(one)
        rows.append(
            (
                one.task.name, found.threshold, float(found.opened.mean()),
                always.log_odds_gain[0], found.log_odds_gain[0],
                always.accuracies[1] - always.accuracies[0],
                found.accuracies[1] - found.accuracies[0],
            )
        )  # fmt: skip
    numbers = np.array([row[1:] for row in rows], dtype=float)
    rows.append(("mean of tasks", *numbers.mean(axis=0).tolist()))
    columns = (
        ("task", "text"), ("threshold", "share"), ("prompts amplified", "share"),
        ("log-odds gain, always", "gain"), ("gated", "gain"), ("accuracy gain, always", "gain"),
        ("gated ", "gain"),
    )  # fmt: skip
    note = (
        "The gate opens where the base model's largest probability is below the threshold, which "
        "is chosen on the choosing half by log-odds gain. Held-out prompts."
    )
    return Table("With a gate", columns, tuple(rows), note)


def _zones(swept: Sequence[TaskSweep]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind in ("found", "loud", "random 1"):
        if kind not in swept[0].grid.kinds:
            continue
        outcomes = [held_out(one, kind) for one in swept]
        base = np.concatenate([found.base.probability for found in outcomes])
        more = np.concatenate([found.amplified.probability for found in outcomes])
        odds = np.concatenate([f.amplified.log_odds - f.base.log_odds for f in outcomes])
        right = np.concatenate(
            [(f.amplified.rank == 1) * 1.0 - (f.base.rank == 1) for f in outcomes]
        )
        where = zones(base)
        rows += _zone_rows(kind, where, base, more, odds, right)
    columns = (
        ("neurons", "text"), ("zone of base probability", "text"), ("prompts", "count"),
        ("relative gain of the mean", "percent"), ("mean of relative gains", "percent"),
        ("log-odds gain (95 %)", "gain"), ("accuracy gain", "gain"),
    )  # fmt: skip
    note = (
        "Held-out prompts of all tasks, by the base probability of the right token. Prompts are in "
        "a low zone partly by chance, and the gain relative to a small number is large."
    )
    return Table("The publication's zones", columns, tuple(rows), note)


def _zone_rows(
    kind: str,
    where: NDArray[np.int64],
    base: NDArray[np.float64],
    more: NDArray[np.float64],
    odds: NDArray[Any],
    right: NDArray[np.float64],
) -> Iterator[tuple[Cell, ...]]:
    for number, name in enumerate(ZONES):
        rows = where == number
        if not rows.any():
            continue
        mean, ends = mean_interval(odds[rows])
        yield (
            kind, name, int(rows.sum()),
            float(relative_gain(base[rows].mean(), more[rows].mean())),
            float(relative_gain(base[rows], more[rows]).mean()),
            (mean, *ends), float(right[rows].mean()),
        )  # fmt: skip


def _layers(swept: Sequence[TaskSweep]) -> Table:
    """At each layer the setting is the one of the choosing half."""
    names, grid = swept[0].grid.kinds, swept[0].grid
    rows: list[tuple[Cell, ...]] = []
    for place, layer in enumerate(grid.layers):
        cells: list[Cell] = []
        for kind in names:
            found = []
            for one in swept:
                chosen = gains(one, kind, one.choosing)[place]
                reported = gains(one, kind, one.reporting)[place]
                found.append(reported.flat[int(np.argmax(chosen))])
            cells.append(float(np.mean(found)))
        often = sum(choose(one).layer == layer for one in swept)
        rows.append((layer, *cells, often))
    columns = (
        ("layer", "count"), *((name, "gain") for name in names), ("chosen by tasks", "count"),
    )  # fmt: skip
    note = "Held-out log-odds gain, mean of tasks; count and multiplier chosen for each layer."
    return Table("By layer", columns, tuple(rows), note)


def _elsewhere(swept: Sequence[TaskSweep], effects: SideEffects) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (one.task.name, *apart.tolist(), *changed.tolist())
        for one, apart, changed in zip(swept, effects.divergence, effects.changed, strict=True)
    ]
    columns = (
        ("task", "text"), ("divergence, found", "number"), ("random", "number"),
        ("next token changed, found", "share"), ("random ", "share"),
    )  # fmt: skip
    note = "On unrelated text, at the chosen setting; Kullback-Leibler divergence in nats."
    return Table("Side effects", columns, tuple(rows), note)


def _interference(swept: Sequence[TaskSweep], effects: SideEffects) -> Table:
    names = [one.task.name for one in swept]
    rows: list[tuple[Cell, ...]] = [
        (name, *row.tolist()) for name, row in zip(names, effects.interference, strict=True)
    ]
    columns = (("amplified for", "text"), *((name, "gain") for name in names))
    return Table(
        "Interference", columns, tuple(rows), "Held-out log-odds gain on the task of the column."
    )


def _with_interval(found: Outcome) -> tuple[float, float, float]:
    mean, ends = found.log_odds_gain
    return (mean, *ends)
