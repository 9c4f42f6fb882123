"""How many labelled records are needed: the same test records, ever larger probing sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import two_parts
from superneurons.evaluate.robustness.gathered import (
    BASE,
    MAJORITY,
    NEURONS,
    SHORT,
    Gathered,
    gather,
)
from superneurons.evaluate.robustness.seed_scores import (
    SeedDifference,
    SeedScores,
    seed_difference,
    seed_scores,
)
from superneurons.evaluate.robustness.sheet import Sheet, percent, with_interval
from superneurons.evaluate.robustness.subsets import nested_subsets
from superneurons.evaluate.setting import setting_of
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["SIZES", "Lead", "SizeCurve", "SizePoint", "check_sizes", "stays", "study_size"]

SIZES = (10, 30, 100, 300, 1000, 3000, 5000)
"""Probing-set sizes; arXiv 2603.10781, figure 5, has 10, 100, 500, 1,000, 3,000 and 5,000."""


@dataclass(frozen=True, slots=True)
class SizePoint:
    """One way of answering, fitted on so many records.

    Parameters
    ----------
    way
        What answers.
    size, records
        The size that was asked for, and the most records that a subset of it had.
    scores
        Mean over the seeds that could be fitted; ``None`` where none could.
    failed
        Seeds whose records could not be learnt from, such as a label in one group only.
    """

    way: str
    size: int
    records: int
    scores: SeedScores | None
    failed: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "way": self.way, "size": self.size, "records": self.records,
            "scores": None if self.scores is None else self.scores.as_dict(),
            "failed": list(self.failed),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a read-out passes the base model.

    Parameters
    ----------
    way, rival
        The read-out, and which of the base model's logits.
    above
        The smallest size from which on its mean is above the rival's at the same size; ``None``
        where the largest is not.
    clearly
        The same of the whole 95 % interval of the paired difference.
    differences
        By size, where both could be fitted.
    """

    way: str
    rival: str
    above: int | None
    clearly: int | None
    differences: Mapping[int, SeedDifference]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "way": self.way, "rival": self.rival, "above": self.above, "clearly": self.clearly,
            "differences": {str(n): d.as_dict() for n, d in self.differences.items()},
        }  # fmt: skip


@dataclass(frozen=True)
class SizeCurve:
    """Scores by probing-set size.

    Parameters
    ----------
    points
        One per way of answering and size.
    leads
        One per read-out and rival.
    seeds
        Of the subsets and the fits.
    setting
        What was measured on what.
    note
        What has to be said beside it.
    """

    points: tuple[SizePoint, ...]
    leads: tuple[Lead, ...]
    seeds: tuple[int, ...]
    setting: dict[str, Any]
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "study": "size",
            "setting": self.setting,
            "seeds": list(self.seeds),
            "points": [point.as_dict() for point in self.points],
            "leads": [lead.as_dict() for lead in self.leads],
            "note": self.note,
        }

    def tables(self) -> tuple[Sheet, ...]:
        """Return the curves, how far seeds are apart, and where the base model is passed."""
        cells = {(point.size, point.way): point for point in self.points}
        ways = tuple(dict.fromkeys(p.way for p in self.points if p.way != MAJORITY))
        sizes = tuple(dict.fromkeys(point.size for point in self.points))
        shown = tuple((str(n), *(_shown(cells[n, way]) for way in ways)) for n in sizes)
        spread = tuple((str(n), *(_spread(cells[n, way]) for way in ways)) for n in sizes)
        header = ("records", *(SHORT[way] for way in ways))
        seeds = f"{len(self.seeds)} seed{'s' * (len(self.seeds) > 1)}"
        passed = tuple(
            (SHORT[lead.way], SHORT[lead.rival], _from(lead.above), _from(lead.clearly))
            for lead in self.leads
        )
        majority = next(p.scores.majority for p in self.points if p.scores is not None)
        notes = tuple(filter(None, (f"Majority class: accuracy {majority:.1%}.", self.note)))
        return (
            Sheet(f"Balanced accuracy, %, mean of {seeds} (95 % over test records)", header, shown),
            Sheet(f"Lowest and highest of {seeds}", header, spread),
            Sheet("Where read-outs pass the base model: from so many records on",
                  ("", "over", "mean above", "interval above"), passed, notes),
        )  # fmt: skip


def _shown(point: SizePoint) -> str:
    if point.scores is None:
        return "–"
    mark = "!" * bool(point.failed)
    scores = point.scores
    return with_interval(scores.balanced_accuracy, scores.balanced_accuracy_interval) + mark


def _spread(point: SizePoint) -> str:
    if point.scores is None:
        return "–"
    by_seed = point.scores.by_seed
    return f"{percent(min(by_seed))}–{percent(max(by_seed))}"


def _from(size: int | None) -> str:
    return "never" if size is None else str(size)


def check_sizes(sizes: Sequence[int], seeds: Sequence[int]) -> None:
    """Refuse sizes that can't be studied, before a model is opened.

    Raises
    ------
    DataError
        When there are none, or some below 4, or no seeds.

    Examples
    --------
    >>> check_sizes([10, 100], [0])
    """
    if not sizes or min(sizes) < 4 or not seeds:
        raise DataError(
            f"Sizes {', '.join(map(str, sizes)) or 'none'}; {len(seeds)} seeds.",
            where="sizes",
            mend="Give sizes of at least 4 records, and at least one seed.",
        )


def study_size(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    *,
    sizes: Sequence[int] = SIZES,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    steps: Steps = silent,
) -> SizeCurve:
    """Fit on subsets of the probing records, and score all on the same test records.

    The model runs once over all records. Each seed draws subsets anew, each part of the larger
    ones; groups are never parted.

    Parameters
    ----------
    vlm
        The whole model.
    probe, test
        Labelled records to draw from, and others to score on.
    sizes
        Records to fit on; those above ``len(probe)`` are replaced by that one number.
    prompt, batch_size, seeds, steps
        How records are asked, records per forward pass, seeds of the subsets and the fits, and what
        shows progress.

    Raises
    ------
    DataError
        No sizes or one below 4, or none that is enough to learn from, no seeds, records in both
        sets, pictures or labels that cannot be used.
    """
    check_sizes(sizes, seeds)
    seeds = tuple(dict.fromkeys(seeds))
    wanted = sorted({min(size, len(probe)) for size in sizes})
    two_parts(probe, test)
    found = gather(vlm, [probe, test], prompt=prompt, batch_size=batch_size, seed=seeds[0],
                   steps=steps)  # fmt: skip
    given, failed, most = _answers(found, wanted, seeds, steps)
    ways = tuple(dict.fromkeys(way for way, _ in given))
    points = tuple(
        SizePoint(way, n, most[n], _scores(found, given.get((way, n), {})), tuple(failed[n]))
        for n in wanted
        for way in ways
    )
    if all(point.scores is None for point in points):
        raise DataError(
            "No size is enough to learn from: too few records of some label were drawn.",
            where=f"sizes {', '.join(map(str, wanted))}",
            mend="Give larger sizes, or more records.",
        )
    rivals = [way for way in BASE if way in ways]
    leads = tuple(_lead(found, given, way, rival, wanted) for way in NEURONS for rival in rivals)
    setting = setting_of(vlm, test, 0, seeds[0], prompt) | {"probing_records": len(probe)}
    notes = " ".join(filter(None, _notes(found, sizes, len(probe), failed)))
    return SizeCurve(points, leads, tuple(seeds), setting, notes)


def _notes(
    found: Gathered, sizes: Sequence[int], n: int, failed: Mapping[int, list[int]]
) -> Iterator[str]:
    yield found.note()
    unmet = [size for size in sizes if size > n]
    if unmet:
        yield f"{', '.join(map(str, unmet))}: there are only {n} records."
    if any(failed.values()):
        yield "!: some seeds' records were too few to learn from, and are left out."


_Given = dict[tuple[str, int], dict[int, list[str]]]


def _answers(
    found: Gathered, sizes: Sequence[int], seeds: Sequence[int], steps: Steps
) -> tuple[_Given, dict[int, list[int]], dict[int, int]]:
    """Labels by way and size for each seed; seeds that failed, and most records, by size."""
    given: _Given = {}
    failed: dict[int, list[int]] = {n: [] for n in sizes}
    most, probe = dict.fromkeys(sizes, 0), found.records(0)
    with steps("fitting read-outs") as told:
        for number, seed in enumerate(seeds):
            for done, (n, rows) in enumerate(nested_subsets(probe, sizes, seed=seed).items()):
                most[n] = max(most[n], len(rows))
                try:
                    said = _fitted(found, rows, seed)
                except DataError:
                    failed[n].append(seed)
                else:
                    for way, labels in said.items():
                        given.setdefault((way, n), {})[seed] = labels
                told(number * len(sizes) + done + 1, len(seeds) * len(sizes))
    return given, failed, most


def _fitted(found: Gathered, rows: NDArray[np.int64], seed: int) -> dict[str, list[str]]:
    return found.answers(found.places[0][rows], found.places[1], seed=seed, quiet=True)


def _scores(found: Gathered, by_seed: Mapping[int, list[str]]) -> SeedScores | None:
    if not by_seed:
        return None
    return seed_scores(found.records(1), list(by_seed.values()), labels=found.labels)


def _lead(found: Gathered, given: _Given, way: str, rival: str, sizes: Sequence[int]) -> Lead:
    test, differences = found.records(1), {}
    for n in sizes:
        ours, theirs = given.get((way, n), {}), given.get((rival, n), {})
        if ours and theirs:
            differences[n] = seed_difference(
                test, list(ours.values()), list(theirs.values()), labels=found.labels
            )
    above = {n: d.difference > 0 for n, d in differences.items()}
    clearly = {n: d.interval[0] > 0 for n, d in differences.items()}
    return Lead(way, rival, stays(above), stays(clearly), differences)


def stays(holds: Mapping[int, bool]) -> int | None:
    """Return the smallest size from which on it holds, at every larger one too.

    Examples
    --------
    >>> stays({10: True, 30: False, 100: True, 300: True})
    100
    """
    first = None
    for n in sorted(holds, reverse=True):
        if not holds[n]:
            break
        first = n
    return first
