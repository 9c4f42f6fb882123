"""What a fitted classifier is, told from itself: its base model needn't be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from superneurons.probes.weights import neuron_weights, signed_or_length

if TYPE_CHECKING:
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.cascade_stages import Stage
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["Inspection", "Weighed", "inspect_cascade", "inspect_classifier"]


@dataclass(frozen=True, slots=True)
class Weighed:
    """A neuron that is read.

    Parameters
    ----------
    layer, column
        Its layer, from 1, and its place there, from 0.
    weight
        What the decision gains by one unit of its activation, above 0 for the second label; of more
        than two labels the length of its weights; 1 where votes are counted; ``None`` where the
        read-out has no weights.
    """

    layer: int
    column: int
    weight: float | None


@dataclass(frozen=True)
class Inspection:
    """What a fitted classifier reads.

    Parameters
    ----------
    kind, position
        The site.
    read_out
        Its name.
    exit_layer
        Decoder layers that run.
    labels
        The answers; empty where each record has options of its own.
    form
        How records are asked.
    question
        The question of all probing records, if it was the same.
    layers
        Layers that are read, and how many neurons in each.
    neurons
        In their order.
    cv_score
        What the read-out scored in the cross-validation that chose it: a little too good. ``None``
        for a read-out that makes none.
    probing
        What it was fitted on: numbers of records, groups and neurons searched.
    """

    kind: str
    position: str
    read_out: str
    exit_layer: int
    labels: tuple[str, ...]
    form: str
    question: str | None
    layers: Mapping[int, int]
    neurons: tuple[Weighed, ...]
    cv_score: float | None
    probing: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        counted = [{"layer": layer, "neurons": n} for layer, n in self.layers.items()]
        return asdict(self) | {"layers": counted, "probing": dict(self.probing)}


def inspect_classifier(classifier: SuperNeuronClassifier) -> Inspection:
    """Tell what a fitted classifier reads; the base model is not opened.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    """
    check_is_fitted(classifier, "read_out_")
    read_out, places = classifier.read_out_, classifier.neurons_
    found = neuron_weights(read_out)
    weights = [None] * len(places) if found is None else signed_or_length(found).tolist()
    score = getattr(read_out, "cv_score_", None)
    return Inspection(
        kind=classifier.site_.kind,
        position=classifier.site_.position,
        read_out=read_out.name,
        exit_layer=classifier.exit_layer_,
        labels=tuple(classifier.classes_.tolist()),
        form=classifier.form_,
        question=classifier.question_,
        layers=dict(sorted(Counter(neuron.layer for neuron in places).items())),
        neurons=tuple(
            Weighed(neuron.layer, neuron.index, weight)
            for neuron, weight in zip(places, weights, strict=True)
        ),
        cv_score=None if score is None else float(score),
        probing=classifier.probing_,
    )


def inspect_cascade(cascade: Cascade) -> dict[str, Any]:
    """Tell where a fitted cascade stops, as JSON values; the base model is not opened.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    """
    check_is_fitted(cascade, "stages_")
    shares = cascade.verified_.shares
    return {
        "labels": cascade.classes_.tolist(),
        "form": cascade.form_,
        "question": cascade.question_,
        "target": {"accuracy": cascade.target_, "met": cascade.met_},
        "verified": asdict(cascade.verified_) | {"shares": list(shares)},
        "probing": dict(cascade.probing_),
        "stages": [
            _stage(stage, cost, share)
            for stage, cost, share in zip(cascade.stages_, cascade.costs_, shares, strict=True)
        ],
    }


def _stage(stage: Stage, cost: float, share: float) -> dict[str, Any]:
    layers = sorted(Counter(neuron.layer for neuron in stage.neurons).items())
    return {
        "layer": stage.layer,
        "base_answer": stage.is_base,
        "read_out": stage.read_out.name,
        "neurons": len(stage.neurons),
        "layers": [{"layer": layer, "neurons": n} for layer, n in layers],
        # JSON has no infinity: a stage that is never sure enough never answers.
        "threshold": stage.threshold if isfinite(stage.threshold) else None,
        "cost": cost,
        "share": share,
    }
