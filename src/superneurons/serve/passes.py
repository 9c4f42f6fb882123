"""One pass for many jobs, each of which leaves it where it may stop."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from superneurons.activations.capture import capture_inputs, room_for, to_float16
from superneurons.serve.preparing import Batch, Member
from superneurons.serve.routes import Stop
from superneurons.serve.spelling import Columns
from superneurons.serve.vision_cache import Bounded, Parts, Remembering
from superneurons.shortcut.cascade_run import Anew, GoneOn, Way
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.form import answered
from superneurons.vlm.lean.opening import lean_of

__all__ = ["Found", "run_batch"]


@dataclass(frozen=True)
class Found:
    """An answer, and where it was found.

    Parameters
    ----------
    label, shares
        The answer, and a probability for each.
    stop
        Where.
    label_mass
        What the options have of the base model's probability; ``None`` where it wasn't asked.
    values
        What the stop's neurons were, a row for each question, shape (M, K); ``None`` of logits.
    """

    label: str
    shares: dict[str, float]
    stop: Stop
    label_mass: float | None = None
    values: NDArray[Any] | None = None

    @property
    def confidence(self) -> float:
        """The largest probability."""
        return max(self.shares.values())


def run_batch(batch: Batch, cache: Bounded[Parts]) -> list[Found]:
    """Answer a batch, each job at its first stop that is sure enough.

    Parameters
    ----------
    batch
        From :func:`~superneurons.serve.preparing.prepare`.
    cache
        What pictures gave before.

    Raises
    ------
    DataError
        When an activation is no finite number, or a job allows no answer that is known.
    ResourceError
        When it doesn't fit into memory.
    """
    alone = batch.route.swift and len({member.route for member in batch.members}) == 1
    with room_for(batch.asked):
        first = _by_itself(batch) if alone else [None] * len(batch.members)
        going = [number for number, found in enumerate(first) if found is None]
        if not going:
            return [found for found in first if found is not None]
        later = _Walk(batch, _way(batch, cache), going, 1 if alone else 0).run()
    return [later[n] if found is None else found for n, found in enumerate(first)]


def _by_itself(batch: Batch) -> list[Found | None]:
    """Answer at the first stop of a classifier by its own pass; ``None`` where that isn't sure."""
    route, stop = batch.route, batch.route.stops[0]
    classifier = cast(SuperNeuronClassifier, route.estimator)
    rows = [row for member in batch.members for row in member.rows]
    if classifier.site_.answers_first:
        captured = capture_inputs(route.vlm, batch.inputs, sites=(classifier.site_,))
        neurons = classifier.neurons_
        layers, columns = [n.layer - 1 for n in neurons], [n.index for n in neurons]
        X = captured.at(classifier.site_).activations[:, layers, columns]
    else:
        X = to_float16(classifier.early_exit(route.vlm)(batch.inputs))
    records = [member.record for member in batch.members]
    answers = classifier.answer_values(records, X[rows])
    ends = np.cumsum([len(member.rows) for member in batch.members])
    each = np.split(X[rows], ends[:-1])
    return [
        Found(answer.label, answer.probabilities, stop, values=values)
        if answer.confidence >= stop.threshold
        else None
        for answer, values in zip(answers, each, strict=True)
    ]


def _way(batch: Batch, cache: Bounded[Parts]) -> Way:
    route = batch.route
    lean = lean_of(route.vlm)
    if lean is None:
        return Anew(route.vlm, batch.asked, batch.inputs, route.prompt)
    if cache.on:
        packed = route.vlm.family.picture_patches is not None
        lean = replace(lean, tower=Remembering(lean.tower, cache, batch.keys, packed=packed))
    return GoneOn(lean, batch.inputs, route.vlm.depth)


class _Walk:
    """A batch on its way from stop to stop, with only the rows that some job still waits for.

    Parameters
    ----------
    batch, way
        The batch, and how it goes through the model.
    going
        Members that take part.
    start
        Number of the first stop that is open to them.
    """

    def __init__(self, batch: Batch, way: Way, going: Sequence[int], start: int) -> None:
        self._batch, self._way = batch, way
        self._at = dict.fromkeys(going, start)
        self._here = list(range(len(batch.asked)))
        self._columns = Columns([words for n in going for words in batch.members[n].words.values()])

    def run(self) -> dict[int, Found]:
        """Answer all that take part, by their number."""
        found: dict[int, Found] = {}
        while self._at:
            self._keep()
            stops = {n: self._stop(n) for n in self._at}
            turn = min((stop.layer, stop.reads_logits) for stop in stops.values())
            now = [n for n, s in stops.items() if (s.layer, s.reads_logits) == turn]
            values = self._values(*turn)
            groups: dict[tuple[Hashable, Stop], list[int]] = {}
            for n in now:
                groups.setdefault((self._batch.members[n].route, stops[n]), []).append(n)
            for (_, stop), group in groups.items():
                self._settle(group, stop, self._answers(group, stop, values), found)
        return found

    def _stop(self, number: int) -> Stop:
        return self._batch.members[number].route.stops[self._at[number]]

    def _keep(self) -> None:
        """Go on with only the rows that are waited for."""
        wanted = {row for number in self._at for row in self._batch.members[number].rows}
        kept = [place for place, row in enumerate(self._here) if row in wanted]
        if len(kept) < len(self._here):
            self._way.keep(np.array(kept))
            self._here = [self._here[place] for place in kept]

    def _values(self, layer: int, logits: bool) -> NDArray[Any]:
        return self._way.logits(self._columns) if logits else self._way.activations(layer)

    def _settle(
        self, group: Sequence[int], stop: Stop, answers: Sequence[Found], found: dict[int, Found]
    ) -> None:
        for number, answer in zip(group, answers, strict=True):
            if answer.confidence >= stop.threshold:
                found[number] = answer
                del self._at[number]
            else:
                self._at[number] += 1

    def _answers(self, group: Sequence[int], stop: Stop, values: NDArray[Any]) -> list[Found]:
        members = [self._batch.members[number] for number in group]
        place = {row: index for index, row in enumerate(self._here)}
        each = [values[[place[row] for row in member.rows]] for member in members]
        if stop.stage is None:
            return [self._said(m, stop, own) for m, own in zip(members, each, strict=True)]
        masses: list[float | None] = [None] * len(members)
        if stop.stage.is_base:
            words = members[0].words[stop]
            masses = [_mass(self._columns.of(words, own), own) for own in each]
            each = [self._columns.of(words, own) for own in each]
        else:
            asked = [[self._batch.asked[row] for row in member.rows] for member in members]
            each = [stop.stage.take(own, a) for own, a in zip(each, asked, strict=True)]
        route, records = members[0].route, [member.record for member in members]
        pairs = answered(
            records, np.concatenate(each), stop.stage.read_out, route.form, list(route.labels)
        )
        return [
            Found(label, shares, stop, mass, None if stop.reads_logits else own)
            for (label, shares), mass, own in zip(pairs, masses, each, strict=True)
        ]

    def _said(self, member: Member, stop: Stop, pooled: NDArray[Any]) -> Found:
        """What the base model says by itself."""
        logits = self._columns.of(member.words[stop], pooled)
        shares = softmax(logits[0].astype(np.float64))
        label = member.names[int(shares.argmax())]
        found = dict(zip(member.names, shares.tolist(), strict=True))
        return Found(label, found, stop, _mass(logits, pooled))


def _mass(logits: NDArray[Any], pooled: NDArray[Any]) -> float:
    """What the words have of the probability of all tokens."""
    total = float(pooled[0, -1])
    return min(1.0, float(np.exp(logsumexp(logits[0].astype(np.float64)) - total)))
