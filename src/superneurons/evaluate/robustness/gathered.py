"""Several sets of records of one task, and all that the model gives for them from one pass."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured, Progress, capture
from superneurons.evaluate.comparison import FIRST_TOKEN
from superneurons.evaluate.contest import Contest
from superneurons.evaluate.entrants import CALIBRATED
from superneurons.evaluate.entries import Entry, chosen_entries
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import Part, Pool
from superneurons.evaluate.rivals import base_task, logits_of
from superneurons.evaluate.scoring import as_classes
from superneurons.shortcut.form import Form, as_asked
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.task.images import image_keys
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["BASE", "MAJORITY", "NEURONS", "SHORT", "Gathered", "gather", "unsaid"]

MAJORITY = "majority class"
BASE = (FIRST_TOKEN, CALIBRATED)
NEURONS = ("Super Neurons, paper's rule", "Super Neurons, improved")
SHORT = {
    MAJORITY: "majority",
    BASE[0]: "base, raw",
    BASE[1]: "base, calibrated",
    NEURONS[0]: "paper's rule",
    NEURONS[1]: "improved",
}
"""Names of the ways of answering for the heads of columns."""

_KEYS = ("paper", "super-neurons")


@dataclass(frozen=True)
class Gathered:
    """Sets of records of one task with their activations and the base model's logits.

    Parameters
    ----------
    contest
        All records, without parts.
    places
        For each set the indices of its records.
    """

    contest: Contest
    places: tuple[NDArray[np.int64], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The common labels; empty where records bring options of their own."""
        return self.contest.labels

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The read-outs that are studied: the paper's rule, then the improved one."""
        known = {entry.key: entry for entry in chosen_entries(_KEYS, many=self.contest.many)}
        return tuple(known[key] for key in _KEYS)

    def chance(self, *sets: int) -> float:
        """Balanced accuracy of guessing on some sets, each option of a record as often as another.

        Where records bring options of their own, the classes are the places of the right ones: a
        third place is right only where there are three options or more, and seldom guessed.
        """
        if self.labels:
            return 1 / len(self.labels)
        records = self.records(*sets)
        right = np.array([1 / len(record.options or " ") for record in records])
        places = np.array(as_classes(records, [""] * len(records), ())[0])
        return float(np.mean([right[places == place].mean() for place in np.unique(places)]))

    def note(self) -> str:
        """Why the base model's logits say nothing; empty where they do."""
        return "" if self.contest.logits is not None else _flowing(self.contest.base.why_not)

    def records(self, *sets: int) -> list[Record]:
        """Return the records of some sets, one after the other."""
        return [self.contest.records[i] for s in sets for i in self.places[s].tolist()]

    def parted(self, train: NDArray[np.int64], test: NDArray[np.int64], seed: int) -> Contest:
        """Return a contest fitted on some of all records and answered by others."""
        return replace(self.contest, parts=[Part(train, test)], seed=seed)

    def answers(
        self, train: NDArray[np.int64], test: NDArray[np.int64], *, seed: int, quiet: bool = False
    ) -> dict[str, list[str]]:
        """Fit everything on some records and answer others.

        Parameters
        ----------
        train, test
            Indices into all records.
        seed
            Of balancing, folds and held-out parts.
        quiet
            Whether doubts about the data go without saying, as where they were shuffled on purpose.

        Returns
        -------
        dict
            Labels for the test records by way of answering: the majority class, the base model's
            logits raw and calibrated (unless its first token can't tell the labels apart), and both
            read-outs.

        Raises
        ------
        DataError
            When a read-out can't learn these records.
        """
        contest = self.parted(train, test, seed)
        found = {MAJORITY: contest.majority().labels}
        if contest.logits is not None:
            for name, calibrated in zip(BASE, (False, True), strict=True):
                found[name] = contest.by_logits(calibrated=calibrated).labels
        with unsaid(quiet):
            for name, entry in zip(NEURONS, self.entries, strict=True):
                found[name] = contest.fit(entry).answers.labels
        return found


def _flowing(message: str) -> str:
    """An error's message as running text: what, all problems, how to mend it."""
    lines = [line.strip() for line in message.splitlines()]
    mend = [line.removeprefix("mend:").strip() for line in lines if line.startswith("mend:")]
    problems = [line for line in lines[1:] if not line.startswith("mend:")]
    told = f"({'; '.join(problems)})" if problems else ""
    return " ".join(filter(None, (*lines[:1], told, *mend)))


@contextmanager
def unsaid(quiet: bool = True) -> Iterator[None]:
    """Keep doubts about the data unsaid while it is open, where they are no news."""
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore", DataWarning)
            warnings.filterwarnings("ignore", "A single label was found", UserWarning)
        yield


def gather(
    vlm: VLM,
    sets: Sequence[Sequence[Record]],
    *,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seed: int = 0,
    steps: Steps = silent,
) -> Gathered:
    """Run the model over several sets of records, over each different prompt once.

    Parameters
    ----------
    vlm
        The whole model.
    sets
        Labelled records; the same pictures and question may occur in several.
    prompt, batch_size, seed, steps
        How records are asked, records per forward pass, seed of what is drawn, and what shows
        progress.

    Raises
    ------
    DataError
        When pictures or labels cannot be used.
    """
    records = [record for part in sets for record in part]
    ends = np.cumsum([0, *map(len, sets)])
    places = tuple(np.arange(a, b) for a, b in pairwise(ends.tolist()))
    prompt = prompt or Prompt()
    with unsaid():  # sets repeat each other's pictures
        asked = probing_set(records, balanced=False, seed=seed, multiclass="native")
    base = base_task(vlm, records, asked.labels)
    pools: dict[Form, Pool] = {}
    for form in _forms(asked):
        once = form == asked.form
        probing = asked if once else _unrolled(records, seed)
        with steps("running the model" if once else "asking per option") as told:
            words = base.words if once else None
            captured = _captured(vlm, probing.records, prompt, batch_size, words, told)
        pools[form] = Pool(probing, _parents(records, probing), captured)
    logits = None if base.words is None else logits_of(pools[asked.form].captured)
    contest = Contest(vlm, records, (), asked.labels, pools, base, logits, seed, prompt)
    return Gathered(contest, places)


def _forms(asked: ProbingSet) -> Iterable[Form]:
    many = len(asked.labels) != 2
    entries = chosen_entries(_KEYS, many=many)
    return dict.fromkeys([asked.form, *(entry.form(asked.form, many=many) for entry in entries)])


def _unrolled(records: Sequence[Record], seed: int) -> ProbingSet:
    with unsaid():
        return probing_set(records, balanced=False, seed=seed, multiclass="unrolled")


def _parents(records: Sequence[Record], probing: ProbingSet) -> NDArray[np.int64]:
    each = [len(as_asked([record], probing.form, probing.labels)) for record in records]
    return np.repeat(np.arange(len(records)), each)


def _captured(
    vlm: VLM, asked: Sequence[Record], prompt: Prompt, batch_size: int, words: LabelWords | None,
    told: Progress,
) -> Captured:  # fmt: skip
    """Capture each different prompt once, and give every record what belongs to its own."""
    numbers: dict[object, int] = {}
    keys = zip(image_keys(asked), (record.question for record in asked), strict=True)
    index = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
    first = np.unique(index, return_index=True)[1]
    captured = capture(
        vlm, [asked[i] for i in first.tolist()], prompt=prompt, batch_size=batch_size, words=words,
        progress=told,
    )  # fmt: skip
    return captured if len(first) == len(asked) else captured.rows(index)
