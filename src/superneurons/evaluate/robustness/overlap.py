"""Whether tasks are answered by the same neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError, Problem
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.robustness.gathered import Gathered, gather, unsaid
from superneurons.evaluate.robustness.neuron_overlap import NeuronOverlap, neuron_overlap
from superneurons.evaluate.robustness.sheet import Sheet
from superneurons.evaluate.setting import setting_of
from superneurons.probes.scores import neuron_scores
from superneurons.probes.weights import neuron_weights, signed_or_length
from superneurons.shortcut.probing import probing_set
from superneurons.task.record import Record
from superneurons.task.split import grouped_split
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["KINDS", "Overlaps", "Pair", "check_learnable", "study_overlap"]

_SURE = 0.01
KINDS = (
    "paper's rule, chosen",
    "paper's rule, K best",
    "improved, chosen",
    "improved, K heaviest",
)
"""Which neurons of a task: those that a read-out chose, and equally many of every task."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The neurons of two tasks; or of one, found on the two halves of its records.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    first, second
        Names of tasks; the same for the halves of one.
    overlap
        What they share.
    """

    kind: str
    first: str
    second: str
    overlap: NeuronOverlap

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        names = {"kind": self.kind, "first": self.first, "second": self.second}
        return names | self.overlap.as_dict()


@dataclass(frozen=True)
class Overlaps:
    """All pairs of tasks, and each task's halves.

    Parameters
    ----------
    pairs
        One per kind and pair.
    equal
        K by kind, where the same number of neurons was taken of every task.
    setting
        What was measured on what.
    """

    pairs: tuple[Pair, ...]
    equal: Mapping[str, int]
    setting: dict[str, Any]

    def pair(self, kind: str, first: str, second: str) -> Pair:
        """Return one pair, in either order.

        Raises
        ------
        DataError
            When there is no such pair.
        """
        for pair in self.pairs:
            if pair.kind == kind and {pair.first, pair.second} == {first, second}:
                return pair
        raise DataError(
            f"There is no pair {first!r}, {second!r} of {kind!r}.",
            mend=f"Kinds: {', '.join(KINDS)}.",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "study": "overlap",
            "setting": self.setting,
            "equal": dict(self.equal),
            "pairs": [pair.as_dict() for pair in self.pairs],
        }

    def tables(self) -> tuple[Sheet, ...]:
        """Return a matrix for each kind."""
        return tuple(self._matrix(kind) for kind in KINDS)

    def _matrix(self, kind: str) -> Sheet:
        names = list(dict.fromkeys(pair.first for pair in self.pairs))
        rows = [
            (name, *(_shown(self.pair(kind, name, other)) for other in names)) for name in names
        ]
        many = f", K = {self.equal[kind]}" if kind in self.equal else ""
        notes = (
            "On the diagonal: found on the two halves of the task's records; two tasks can hardly "
            "be expected to share more. In brackets: the mean by chance, for sets with as many "
            f"neurons in each layer; *: p < {_SURE}.",
        )
        return Sheet(f"{kind}{many}: Jaccard, %", ("", *names), tuple(rows), notes)


def _shown(pair: Pair) -> str:
    found = pair.overlap
    mark = "*" * (found.p_value < _SURE)
    return f"{100 * found.jaccard:.1f} ({100 * found.chance:.1f}){mark}"


def check_learnable(tasks: Mapping[str, Sequence[Record]], *, seed: int = 0) -> None:
    """Refuse tasks that can't be learnt, all at once, before a model runs over the first.

    Parameters
    ----------
    tasks
        Labelled records by name.
    seed
        Of their halves.

    Raises
    ------
    DataError
        When pictures or labels of a task cannot be used; lists every problem of every task.
    """
    problems = []
    for name, records in tasks.items():
        try:
            with unsaid():
                probing_set(records, balanced=False, seed=seed, multiclass="native")
            grouped_split(records, test_size=0.5, seed=seed)
        except DataError as error:
            found = error.problems or (Problem(error.where or "records", error.what),)
            problems += [Problem(f"{name}: {one.where}", one.what) for one in found]
    if problems:
        raise DataError(
            "Some tasks can't be learnt.",
            problems=problems,
            mend="Mend or leave out these records; each label needs several pictures.",
        )


def study_overlap(
    vlm: VLM,
    tasks: Mapping[str, Sequence[Record]],
    *,
    most: int = 100,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seed: int = 0,
    steps: Steps = silent,
) -> Overlaps:
    """Find the neurons of several tasks, and compare them.

    Parameters
    ----------
    vlm
        The whole model.
    tasks
        Labelled records of at least two tasks, by name.
    most
        K at most; fewer where a task's read-out has fewer neurons.
    prompt, batch_size, seed, steps
        How records are asked, records per forward pass, seed of the fits and the halves, and what
        shows progress.

    Raises
    ------
    DataError
        Fewer than two tasks, ``most`` below 1, records whose halves can't be learnt from, pictures
        or labels that cannot be used.

    Notes
    -----
    arXiv 2603.10781, section 4, counts neurons that several tasks have in common.
    """
    if len(tasks) < 2 or most < 1:
        raise DataError(
            f"{len(tasks)} tasks and {most} neurons: there is nothing to compare.",
            mend="Give at least two tasks, and at least one neuron.",
        )
    check_learnable(tasks, seed=seed)
    ranked: dict[str, list[_Ranked]] = {}
    for name, records in tasks.items():
        found = gather(vlm, [records], prompt=prompt, batch_size=batch_size, seed=seed, steps=steps)
        halves = grouped_split(records, test_size=0.5, seed=seed)
        with steps(f"fitting {name}") as told:
            ranked[name] = []
            for rows in (found.places[0], *halves):
                ranked[name].append(_ranked(found, rows, most, seed))
                told(len(ranked[name]), 3)
    equal = {
        kind: min(most, *(len(part[kind]) for parts in ranked.values() for part in parts))
        for kind in (KINDS[1], KINDS[3])
    }
    pairs = tuple(_pairs(ranked, equal, vlm.shape("residual")[1]))
    scored = [record for records in tasks.values() for record in records]
    setting = setting_of(vlm, scored, 0, seed, prompt)
    return Overlaps(pairs, equal, setting | {"records": {k: len(v) for k, v in tasks.items()}})


_Ranked = dict[str, NDArray[np.int64]]


def _ranked(found: Gathered, rows: NDArray[np.int64], most: int, seed: int) -> _Ranked:
    """Columns of the neurons found on some records, by kind; the best or heaviest first."""
    contest, paper, improved = found.parted(rows, rows[:1], seed), *found.entries
    columns: _Ranked = {}
    with unsaid():
        for entry in (paper, improved):
            pool = contest.pool(entry)
            balanced = pool.balanced_rows(rows, seed)
            captured, classifier = pool.at(entry.site, balanced), contest.fit(entry).classifier
            width = captured.activations.shape[2]
            own = np.array([(n.layer - 1) * width + n.index for n in classifier.neurons_])
            if entry is paper:
                y = pool.probing_set(balanced).y
                scores = neuron_scores(captured.flat, y == np.unique(y)[1])
                best = np.argsort(-scores, kind="stable")[:most]
                columns |= {KINDS[0]: own, KINDS[1]: best}
            else:
                spread = captured.flat[:, own].astype(np.float64).std(axis=0)
                weights = neuron_weights(classifier.read_out_, spread)
                lengths = np.ones(len(own)) if weights is None else signed_or_length(weights)
                columns |= {
                    KINDS[2]: own,
                    KINDS[3]: own[np.argsort(-np.abs(lengths), kind="stable")],
                }
    return columns


def _pairs(
    ranked: Mapping[str, Sequence[_Ranked]], equal: Mapping[str, int], width: int
) -> list[Pair]:
    made = []
    for kind in KINDS:
        first = equal.get(kind)
        halves = [(name, name, parts[1], parts[2]) for name, parts in ranked.items()]
        others = [(a, b, ranked[a][0], ranked[b][0]) for a, b in combinations(ranked, 2)]
        for a, b, ours, theirs in (*halves, *others):
            found = neuron_overlap(ours[kind][:first], theirs[kind][:first], width=width)
            made.append(Pair(kind, a, b, found))
    return made
