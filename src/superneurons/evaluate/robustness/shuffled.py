"""Whether anything is left to answer by when pictures, questions or labels are shuffled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.evaluate.intervals import Interval
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import two_parts
from superneurons.evaluate.robustness.gathered import MAJORITY, NEURONS, SHORT, Gathered, gather
from superneurons.evaluate.robustness.seed_scores import SeedScores, seed_scores, spread_interval
from superneurons.evaluate.robustness.sheet import Sheet, with_interval
from superneurons.evaluate.robustness.shuffles import (
    deal,
    with_labels_of,
    with_pictures_of,
    with_questions_of,
)
from superneurons.evaluate.setting import setting_of
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["CONDITIONS", "Condition", "Shuffled", "study_shuffled"]

_ROUNDING = 1e-9

CONDITIONS: Mapping[str, tuple[str, str]] = {
    "as they are": ("", ""),
    "pictures shuffled at test": ("", "pictures"),
    "questions shuffled at test": ("", "questions"),
    "pictures shuffled at fit": ("pictures", ""),
    "questions shuffled at fit": ("questions", ""),
    "pictures shuffled at both": ("pictures", "pictures"),
    "labels shuffled at fit": ("labels", ""),
}
"""What is shuffled among the probing records, and among the test records."""

_VOID = ("pictures shuffled at fit", "labels shuffled at fit")
"""Labels that carry no information about the pictures: these must fall to chance."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One way of answering under one way to shuffle.

    Parameters
    ----------
    name
        A key of :data:`CONDITIONS`.
    way
        What answers.
    scores
        Mean over the shuffles, with the interval over test records.
    interval
        95 % interval over what was shuffled: Student's t of the shuffles' balanced accuracies.
        Where no shuffle changes an answer, that over test records.
    at_chance
        Whether chance is in ``interval``.
    must
        Whether it has to be: labels carry no information, and it takes either side of them alike,
        as the improved read-out does. The paper's rule doesn't: its neurons have a fixed sign, and
        where those of one sign prevail in the model, noise ends up on that side. Calibration only
        moves logits that know the answer by themselves.
    """

    name: str
    way: str
    scores: SeedScores
    interval: Interval
    at_chance: bool
    must: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "condition": self.name, "way": self.way, "scores": self.scores.as_dict(),
            "interval": list(self.interval), "at_chance": self.at_chance, "must": self.must,
        }  # fmt: skip


@dataclass(frozen=True)
class Shuffled:
    """All conditions.

    Parameters
    ----------
    rows
        One per condition and way of answering.
    chance
        Balanced accuracy of guessing.
    seeds
        Of the shuffles.
    setting
        What was measured on what.
    note
        Why there are no logits, or why a condition is missing.
    """

    rows: tuple[Condition, ...]
    chance: float
    seeds: tuple[int, ...]
    setting: dict[str, Any]
    note: str = ""

    @property
    def failures(self) -> tuple[Condition, ...]:
        """What has to be at chance and is not."""
        return tuple(row for row in self.rows if row.must and not row.at_chance)

    def verdict(self) -> str:
        """Say whether everything that has to fall to chance does."""
        if not self.failures:
            said = "Where labels carry no information, the interval of the improved read-out "
            return f"{said}contains {self.chance:.1%}.{self._aside()}"
        return (
            f"Chance ({self.chance:.1%}) is NOT in the interval of: {_listed(self.failures)}. Of "
            "20 such intervals one is expected to miss it; more of them, or far ones, mean that "
            "labels leak (questions that give the answer away, pictures that repeat)."
            + self._aside()
        )

    def _aside(self) -> str:
        rows = [r for r in self.rows if (r.way, r.at_chance) == (NEURONS[0], False)]
        missed = [row for row in rows if row.name in _VOID]
        if not missed:
            return ""
        return (
            f" The paper's rule misses it ({_listed(missed)}): its neurons have a fixed sign, so "
            "that noise may end up on one side."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "study": "shuffled",
            "setting": self.setting,
            "seeds": list(self.seeds),
            "chance": self.chance,
            "verdict": self.verdict(),
            "rows": [row.as_dict() for row in self.rows],
            "note": self.note,
        }

    def tables(self) -> tuple[Sheet, ...]:
        """Return the table: a line per way of answering, a column per condition."""
        cells = {(row.name, row.way): row for row in self.rows}
        names = tuple(dict.fromkeys(row.name for row in self.rows))
        ways = tuple(dict.fromkeys(row.way for row in self.rows if row.way != MAJORITY))
        rows = [(name, *(_shown(cells[name, way]) for way in ways)) for name in names]
        header = ("", *(SHORT[way] for way in ways))
        title = (
            f"Balanced accuracy, % (95 % over {len(self.seeds)} shuffles); chance "
            f"{self.chance:.1%}; *: chance is in the interval"
        )
        majority = f"Majority class: accuracy {self.rows[0].scores.majority:.1%}."
        notes = tuple(filter(None, (self.verdict(), majority, self.note)))
        return (Sheet(title, header, tuple(rows), notes),)


def _listed(rows: Sequence[Condition]) -> str:
    return "; ".join(
        f"{SHORT[row.way]}, {row.name}: {with_interval(row.scores.balanced_accuracy, row.interval)}"
        for row in rows
    )


def _shown(row: Condition) -> str:
    return with_interval(row.scores.balanced_accuracy, row.interval) + "*" * row.at_chance


def study_shuffled(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    *,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    steps: Steps = silent,
) -> Shuffled:
    """Shuffle pictures, questions and labels, before fitting or before testing.

    A single shuffle can hit or miss by luck: what was fitted on noise still points somewhere, and
    often to something true. So each is drawn anew for each seed, and what has to be at chance is
    the mean.

    Parameters
    ----------
    vlm
        The whole model.
    probe, test
        Labelled records to fit on, and others to score on.
    prompt, batch_size, seeds, steps
        How records are asked, records per forward pass, seeds of the shuffles and the fits (two at
        least), and what shows progress.

    Raises
    ------
    DataError
        Fewer than two seeds, records that can't be dealt out, records in both sets, pictures or
        labels that cannot be used.

    Notes
    -----
    arXiv 2603.10781, appendix, table 6, shuffles at test only.
    """
    if len(set(seeds)) < 2:
        raise DataError("One shuffle says too little.", mend="Give at least two different seeds.")
    # A shuffle twice over would count as two, and make its interval narrower than it is.
    seeds = tuple(dict.fromkeys(seeds))
    two_parts(probe, test)
    kinds, note = _kinds([*probe, *test])
    sets, index = [list(probe), list(test)], {("", 0, 0): 0, ("", 1, 0): 1}
    for number, seed in enumerate(seeds):
        for side, records in enumerate((probe, test)):
            for kind in kinds if side == 0 else [k for k in kinds if k != "labels"]:
                index[kind, side, number] = len(sets)
                sets.append(_shuffled(kind, records, seed))
    found = gather(vlm, sets, prompt=prompt, batch_size=batch_size, seed=seeds[0], steps=steps)
    given = _answers(found, index, kinds, seeds, steps)
    chance = found.chance(1)
    rows = tuple(_rows(found, given, chance))
    setting = setting_of(vlm, test, 0, seeds[0], prompt) | {"probing_records": len(probe)}
    notes = " ".join(filter(None, (note, found.note())))
    return Shuffled(rows, chance, tuple(seeds), setting, notes)


def _kinds(records: Sequence[Record]) -> tuple[list[str], str]:
    """What can be shuffled, and why not the rest."""
    kinds, why = ["pictures"], []
    if len({record.question for record in records}) > 1:
        kinds.append("questions")
    else:
        why.append("All records have the same question: there are none to shuffle.")
    if all(record.options is None for record in records):
        kinds.append("labels")
    else:
        why.append("Labels stay with the options that records bring.")
    return kinds, " ".join(why)


def _shuffled(kind: str, records: Sequence[Record], seed: int) -> list[Record]:
    dealt = deal(records, seed=seed)
    if kind == "labels":
        return with_labels_of(records, dealt)
    return (with_pictures_of if kind == "pictures" else with_questions_of)(records, dealt)


_Given = dict[tuple[str, str], list[list[str]]]


def _answers(
    found: Gathered,
    index: Mapping[tuple[str, int, int], int],
    kinds: Sequence[str],
    seeds: Sequence[int],
    steps: Steps,
) -> _Given:
    """Labels for each shuffle by condition and way of answering; what is fitted alike, once."""
    known = [name for name, pair in CONDITIONS.items() if {*pair} <= {"", *kinds}]
    given: _Given = {}
    with steps("fitting read-outs") as told:
        for number, seed in enumerate(seeds):
            for fit in dict.fromkeys(CONDITIONS[name][0] for name in known):
                names = [name for name in known if CONDITIONS[name][0] == fit]
                if fit == "" and number:
                    names.remove("as they are")
                parts = [_place(found, index, CONDITIONS[name][1], 1, number) for name in names]
                train = _place(found, index, fit, 0, number)
                said = found.answers(train, np.concatenate(parts), seed=seed, quiet=True)
                ends = np.cumsum([len(part) for part in parts])[:-1]
                for way, labels in said.items():
                    for name, part in zip(
                        names, np.split(np.array(labels, object), ends), strict=True
                    ):
                        given.setdefault((name, way), []).append(part.tolist())
            told(number + 1, len(seeds))
    return given


def _place(
    found: Gathered, index: Mapping[tuple[str, int, int], int], kind: str, side: int, number: int
) -> NDArray[np.int64]:
    return found.places[index[kind, side, number if kind else 0]]


def _rows(found: Gathered, given: _Given, chance: float) -> list[Condition]:
    rows, test = [], found.records(1)
    for name in CONDITIONS:
        for (condition, way), answers in given.items():
            if condition != name:
                continue
            # Shuffled or not, the test records keep label and group, which is all that counts here.
            scores = seed_scores(test, answers, labels=found.labels)
            # Raw logits don't learn: shuffled at fit, all that is left to vary is the test records.
            still = len(answers) == 1 or all(given == answers[0] for given in answers)
            interval = (
                scores.balanced_accuracy_interval if still else spread_interval(scores.by_seed)
            )
            low, high = interval[0] - _ROUNDING, interval[1] + _ROUNDING
            inside = low <= chance <= high
            must = name in _VOID and way == NEURONS[1]
            rows.append(Condition(name, way, scores, interval, inside, must))
    return rows
