"""Layer 1 alone, against the base model's own answer: the claim that it suffices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured
from superneurons.activations.site import Position, Site
from superneurons.evaluate.rivals import BaseTask, logits_of
from superneurons.evaluate.robustness.gathered import unsaid
from superneurons.evaluate.robustness.seed_scores import (
    SeedDifference,
    SeedScores,
    seed_difference,
    seed_scores,
)
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scores import neuron_scores
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.shortcut.probing import ProbingSet
from superneurons.task.record import Record

__all__ = ["FirstLayer", "first_layer"]


@dataclass(frozen=True, slots=True)
class FirstLayer:
    """One rule on the first decoder layer at one token, on the test records.

    Parameters
    ----------
    position, rule
        Which token, and what reads it.
    scores
        With 95 % intervals.
    over_base, over_calibrated
        How much better it is than the base model's logits, raw and calibrated; below 0: worse.
    agreement
        How often it says what the base model's own first token says.
    """

    position: Position
    rule: str
    scores: SeedScores
    over_base: SeedDifference
    over_calibrated: SeedDifference
    agreement: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "position": self.position, "rule": self.rule, "scores": self.scores.as_dict(),
            "over_base": self.over_base.as_dict(),
            "over_calibrated": self.over_calibrated.as_dict(), "agreement": self.agreement,
        }  # fmt: skip


def first_layer(
    probing: ProbingSet,
    both: Captured,
    base: BaseTask,
    test: Sequence[Record],
    position: Position,
    seed: int,
) -> tuple[FirstLayer, ...]:
    """Read layer 1 by the best neuron, the paper's rule and the improved read-out.

    Parameters
    ----------
    probing, test
        What is fitted on, two labels, and what is scored.
    both
        Captured of the one, then of the other, with label logits.
    base
        How the base model was asked.
    position
        Which token.
    seed
        Of the read-outs.

    Notes
    -----
    arXiv 2603.10781, table 5, exits at layer 1 without loss. At the answer's first token that can
    mean that its neurons re-read the answer: they then agree with the model always.
    """
    n, labels = len(probing.records), tuple(np.unique(probing.y).tolist())
    X = both.at(Site(position=position)).activations[:, 0]
    logits = logits_of(both)
    raw = base.raw(test, logits[n:])
    calibrated = base.calibrated(probing.records, logits[:n], test, logits[n:])
    rows = []
    for rule, given in _answers(probing, X[:n], X[n:], seed):
        over = [
            seed_difference(test, [given], [rival], labels=labels) for rival in (raw, calibrated)
        ]
        agreement = float(np.mean(np.array(given) == np.array(raw)))
        scores = seed_scores(test, [given], labels=labels)
        rows.append(FirstLayer(position, rule, scores, over[0], over[1], agreement))
    return tuple(rows)


def _answers(
    probing: ProbingSet, X: NDArray[np.float16], other: NDArray[np.float16], seed: int
) -> Iterator[tuple[str, list[str]]]:
    labels = np.unique(probing.y)
    best = int(np.argmax(neuron_scores(X, probing.y == labels[1])))
    yield "best neuron", labels[(other[:, best] > 0).astype(int)].tolist()
    with unsaid():
        for name, read_out in (
            ("paper's rule", PaperSuperNeurons(random_state=seed)),
            ("improved", SuperNeurons(random_state=seed)),
        ):
            read_out.fit(X, probing.y, probing.groups)
            yield name, read_out.predict(other).tolist()
