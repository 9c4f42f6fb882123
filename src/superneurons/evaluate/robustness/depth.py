"""Where in depth the neurons sit, and whether the first layer suffices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured
from superneurons.activations.site import TOKENS, Position, Site
from superneurons.errors import DataError
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.null import shuffled_maximum
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.readings import Readings, read_layers
from superneurons.evaluate.rivals import BaseTask, logits_of
from superneurons.evaluate.robustness.first_layer import FirstLayer, first_layer
from superneurons.evaluate.robustness.gathered import unsaid
from superneurons.evaluate.robustness.sheet import Sheet, percent, signed, with_interval
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scores import neuron_scores
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.shortcut.probing import ProbingSet
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Depth", "LayerCounts", "PaperReading", "study_depth"]

_LEVEL = 0.95
_CLOSE = 0.01
_ROUNDING = 1e-9
_TOKEN = {TOKENS[0]: "prompt", TOKENS[1]: "answer"}
_SPOKEN = {TOKENS[0]: "the last token of the prompt", TOKENS[1]: "the answer's first token"}


@dataclass(frozen=True, slots=True)
class LayerCounts:
    """The neurons of one layer at the last prompt token.

    Parameters
    ----------
    layer
        From 1.
    paper, improved
        How many the read-outs chose there when all layers were searched; means over seeds.
    above_base, above_null, above_both
        Neurons whose accuracy on the balanced probing set is above that of the base model's raw
        logits there, above ``null``, and above both.
    best, null
        Accuracy of the layer's best neuron on the probing set, which chose it; and what the best of
        as many reaches with shuffled labels (95th percentile).
    held_out
        That neuron's balanced accuracy on the test records.
    """

    layer: int
    paper: float
    improved: float
    above_base: int
    above_null: int
    above_both: int
    best: float
    null: float
    held_out: float


@dataclass(frozen=True, slots=True)
class PaperReading:
    """The paper's rule on one layer alone, on the test records.

    Parameters
    ----------
    position, layer
        Which token, and decoder layers that have run.
    accuracy, agreement
        Balanced accuracy, and how often it says what the model's own first token says.
    """

    position: Position
    layer: int
    accuracy: float
    agreement: float


@dataclass(frozen=True)
class Depth:
    """Counts and readings by layer, and the claim about the first.

    Parameters
    ----------
    counts
        One per layer.
    paper
        One per token and layer.
    readings
        The best neuron and the improved read-out of each layer, at both tokens.
    first
        Layer 1 at both tokens.
    seeds
        Of the read-outs that are counted.
    """

    counts: tuple[LayerCounts, ...]
    paper: tuple[PaperReading, ...]
    readings: Readings
    first: tuple[FirstLayer, ...]
    seeds: tuple[int, ...]

    def enough(self, position: Position) -> int | None:
        """Return the first layer that answers to within a point of the base model at a token.

        By the better of the paper's rule and the improved read-out on the test records, which so
        choose it; ``None`` where none does.
        """
        wanted = self.readings.base_accuracy - _CLOSE
        reading = [(r.layer, r.accuracy) for r in self.readings.rows if r.position == position]
        reading += [(r.layer, r.accuracy) for r in self.paper if r.position == position]
        return min(
            (layer for layer, accuracy in reading if accuracy >= wanted - _ROUNDING), default=None
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "study": "depth",
            **self.readings.as_dict(),
            "seeds": list(self.seeds),
            "counts": [asdict(row) for row in self.counts],
            "paper": [asdict(row) for row in self.paper],
            "first_layer": [row.as_dict() for row in self.first],
            "enough": {position: self.enough(position) for position in TOKENS},
        }

    def tables(self) -> tuple[Sheet, ...]:
        """Return the counts, the readings of both tokens, and the first layer."""
        return (self._counts(), *map(self._readings, TOKENS), self._first())

    def _counts(self) -> Sheet:
        rows = tuple(
            (
                str(r.layer), f"{r.paper:.1f}", f"{r.improved:.1f}",
                *(str(n) for n in (r.above_base, r.above_null, r.above_both)),
                *(percent(v) for v in (r.best, r.null, r.held_out)),
            )
            for r in self.counts
        )  # fmt: skip
        header = (
            "layer", "paper's", "improved", "> base", "> null", "> both", "best", "null 95 %",
            "held out",
        )  # fmt: skip
        notes = (
            f"Neurons that the read-outs chose (seeds: {len(self.seeds)}, mean); neurons above the "
            "base model's logits and above the null, on the probing set; accuracy there of the "
            "best one, and of the best of shuffled labels; its balanced accuracy on test records.",
        )
        return Sheet("Neurons by layer, at the last prompt token", header, rows, notes)

    def _readings(self, position: Position) -> Sheet:
        rule = {r.layer: r for r in self.paper if r.position == position}
        rows = tuple(
            (
                str(r.layer),
                percent(r.neuron_accuracy),
                percent(rule[r.layer].accuracy if r.layer in rule else None),
                percent(r.accuracy),
                *(percent(value) for value in (r.neuron_agreement, r.agreement)),
            )
            for r in self.readings.rows
            if r.position == position
        )
        header = (
            "layer",
            "best neuron",
            "paper's rule",
            "improved",
            "neuron agrees",
            "improved agrees",
        )
        first = self.enough(position)
        notes = (
            "Balanced accuracy, %, on test records, of rules on that layer alone; how often they "
            "say what the model's own first token says, whose balanced accuracy is "
            f"{self.readings.base_accuracy:.1%}. First layer within a point of it: "
            f"{'none' if first is None else first}. Layer 0 is the token's embedding.",
        )
        return Sheet(f"Layer by layer, at {_SPOKEN[position]}", header, rows, notes)

    def _first(self) -> Sheet:
        rows = tuple(
            (
                f"{_TOKEN[row.position]}, {row.rule}",
                with_interval(row.scores.balanced_accuracy, row.scores.balanced_accuracy_interval),
                signed(row.over_base.difference, row.over_base.interval),
                signed(row.over_calibrated.difference, row.over_calibrated.interval),
                percent(row.agreement),
            )
            for row in self.first
        )
        header = ("layer 1", "balanced (95 %)", "over base, raw", "over calibrated", "agrees")
        majority = f"Majority class: accuracy {self.first[0].scores.majority:.1%}."
        return Sheet("Does layer 1 suffice?", header, rows, (majority,))


def study_depth(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    *,
    shuffles: int = 200,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seeds: Sequence[int] = (0,),
    steps: Steps = silent,
) -> Depth:
    """Count neurons layer by layer, and read every layer at both tokens.

    Parameters
    ----------
    vlm
        The whole model.
    probe, test
        Labelled records of two labels to fit on, and others to score on.
    shuffles
        Label shuffles behind each layer's null.
    prompt, batch_size, seeds, steps
        How records are asked, records per forward pass (each record takes two), seeds of the
        read-outs over all layers (the first also of all else), and what shows progress.

    Raises
    ------
    DataError
        No seeds, records in both sets, pictures or labels that cannot be used, or more than two
        labels.
    ModelError
        When the model's first token can't tell the labels apart.
    """
    if not seeds:
        raise DataError("There are no seeds.", mend="Give at least one.")
    seen: list[_Seen] = []
    readings = read_layers(
        vlm, probe, test, prompt=prompt, batch_size=batch_size, seed=seeds[0], steps=steps,
        witness=lambda probing, both, base: seen.append(_Seen(probing, both, base, test)),
    )  # fmt: skip
    given = seen[0]
    with steps("counting neurons") as told:
        chosen = [given.chosen(seed) for seed in seeds]
        means = np.mean(chosen, axis=0)
        held = {r.layer: r.neuron_accuracy for r in readings.rows if r.position == TOKENS[0]}
        counts = []
        for layer in range(1, vlm.n_layers + 1):
            own = means[:, layer - 1]
            counts.append(given.counted(layer, own, held[layer], shuffles, seeds[0]))
            told(layer, vlm.n_layers)
        paper = tuple(
            given.paper(p, k, seeds[0]) for p in TOKENS for k in range(1, vlm.n_layers + 1)
        )
    first = tuple(
        row for position in TOKENS
        for row in first_layer(given.probing, given.both, given.base, test, position, seeds[0])
    )  # fmt: skip
    return Depth(tuple(counts), paper, readings, first, tuple(seeds))


@dataclass(frozen=True)
class _Seen:
    """What was captured for the readings."""

    probing: ProbingSet
    both: Captured
    base: BaseTask
    test: Sequence[Record]

    @property
    def positive(self) -> NDArray[np.bool_]:
        return np.asarray(self.probing.y == np.unique(self.probing.y)[1])

    def states(self, position: Position) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """Residual stream of the probing set and of the test records, (N, L, W) each."""
        found, n = self.both.at(Site(position=position)).activations, len(self.probing.records)
        return found[:n], found[n:]

    def chosen(self, seed: int) -> NDArray[np.float64]:
        """Neurons of each layer that the read-outs choose among all, shape (2, L)."""
        X, _ = self.states("last_prompt")
        flat, (_, depth, width) = X.reshape(len(X), -1), X.shape
        found = []
        with unsaid():
            for read_out in (
                PaperSuperNeurons(random_state=seed),
                SuperNeurons(random_state=seed, layer_width=width),
            ):
                read_out.fit(flat, self.probing.y, self.probing.groups)
                found.append(np.bincount(read_out.neurons_ // width, minlength=depth))
        return np.array(found, dtype=np.float64)

    def counted(
        self, layer: int, chosen: NDArray[np.float64], held_out: float, shuffles: int, seed: int
    ) -> LayerCounts:
        """Count one layer's neurons."""
        probing, n = self.probing, len(self.probing.records)
        X = self.states("last_prompt")[0][:, layer - 1]
        scores = neuron_scores(X, self.positive)
        maxima = shuffled_maximum(X, self.positive, shuffles, groups=probing.groups, seed=seed)
        null = float(np.quantile(maxima, _LEVEL))
        said = np.array(self.base.raw(probing.records, logits_of(self.both)[:n]))
        base = float(np.mean(said == probing.y))
        over_base, over_null = scores > base + _ROUNDING, scores > null + _ROUNDING
        above = [int(np.sum(over)) for over in (over_base, over_null, over_base & over_null)]
        return LayerCounts(
            layer,
            float(chosen[0]),
            float(chosen[1]),
            above[0],
            above[1],
            above[2],
            float(scores.max()),
            null,
            held_out,
        )

    def paper(self, position: Position, layer: int, seed: int) -> PaperReading:
        """Read one layer by the paper's rule."""
        X, other = (part[:, layer - 1] for part in self.states(position))
        with unsaid():
            rule = PaperSuperNeurons(random_state=seed).fit(X, self.probing.y, self.probing.groups)
        given, n = rule.predict(other), len(self.probing.records)
        said = np.array(self.base.raw(self.test, logits_of(self.both)[n:]))
        truth = [str(record.label) for record in self.test]
        return PaperReading(
            position, layer, mean_recall(truth, given), float(np.mean(given == said))
        )
