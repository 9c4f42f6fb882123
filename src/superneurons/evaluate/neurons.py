"""The neurons of a fitted classifier on labelled records, one by one and among themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Progress, capture
from superneurons.errors import DataError
from superneurons.probes.thresholds import best_cuts
from superneurons.probes.weights import neuron_weights, signed_or_length
from superneurons.shortcut.checks import check_values
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.images import check_images
from superneurons.task.labels import known_labels
from superneurons.task.record import Record

__all__ = ["NeuronSeen", "NeuronsSeen", "Shown", "neurons_on"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A record, and what a neuron makes of it.

    Parameters
    ----------
    picture
        Where its first picture is; the record's id, or its number, where that is no file.
    label
        The right answer to what was asked.
    activation
        The neuron's.
    """

    picture: str
    label: str
    activation: float


@dataclass(frozen=True, slots=True)
class NeuronSeen:
    """One neuron on these records.

    Parameters
    ----------
    layer, column
        Its layer, from 1, and its place there, from 0.
    weight
        What the decision gains by one standard deviation of its activation; of more than two labels
        the length of its weights, where votes are counted 1, ``None`` where there are no weights.
    says
        The label that it is best at telling from the others.
    above
        Whether it says so above its threshold, or below.
    threshold
        Where it does so best.
    balanced_accuracy
        How well: a little too good, as threshold and direction were chosen on these records.
    agreement
        Share of the questions where it says what the classifier does.
    highest, lowest
        Records of its highest and lowest activations.
    most_wrong
        Records on the wrong side of its threshold, the farthest first.
    """

    layer: int
    column: int
    weight: float | None
    says: str
    above: bool
    threshold: float
    balanced_accuracy: float
    agreement: float
    highest: tuple[Shown, ...]
    lowest: tuple[Shown, ...]
    most_wrong: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class NeuronsSeen:
    """The neurons of a classifier on labelled records.

    Parameters
    ----------
    records, questions
        How many; with one question per answer there are more questions.
    balanced_accuracy
        Of the read-out, question by question.
    agreement
        Mean share of the questions where two neurons say the same; ``None`` for one neuron, and
        where there are more than two labels, as neurons then tell apart different ones.
    neurons
        Those that weigh most; without weights, those that are best.
    """

    records: int
    questions: int
    balanced_accuracy: float
    agreement: float | None
    neurons: tuple[NeuronSeen, ...]

    def _repr_html_(self) -> str:
        from superneurons.evaluate.shown import neurons_html

        return neurons_html(self)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def neurons_on(
    classifier: SuperNeuronClassifier,
    records: Sequence[Record],
    *,
    top: int = 5,
    pictures: int = 3,
    progress: Progress | None = None,
) -> NeuronsSeen:
    """Look at the neurons of a fitted classifier on labelled records.

    The model runs once, no further than the exit.

    Parameters
    ----------
    classifier
        A fitted one.
    records
        Best others than those it was fitted on.
    top
        How many neurons are told of one by one.
    pictures
        How many records of each kind are named for each.
    progress
        Told (questions done, questions in all).

    Raises
    ------
    DataError
        When pictures or labels cannot be used, the classifier doesn't know a label, or all
        questions have the same answer.
    NotFittedError
        Before ``fit``.
    """
    check_images(records)
    _check_labels(classifier, records)
    vlm, asked = classifier.truncated(), classifier.asked(records)
    captured = capture(
        vlm, asked, sites=(classifier.site_,), prompt=classifier.prompt,
        batch_size=classifier.batch_size, progress=progress,
    )  # fmt: skip
    layers = np.array([neuron.layer for neuron in classifier.neurons_])
    columns = [neuron.index for neuron in classifier.neurons_]
    X = captured.activations[:, layers - 1, columns]
    check_values(X, layers, asked)
    return _seen(classifier, X, asked, n=len(records), top=top, pictures=pictures)


def _check_labels(classifier: SuperNeuronClassifier, records: Sequence[Record]) -> None:
    if not records:
        raise DataError("There are no records to look at.", mend="Give some.")
    known = classifier.classes_.tolist()
    unknown = sorted(set(known_labels(records)) - set(known))
    if known and unknown:
        raise DataError(
            f"The classifier doesn't know the labels {', '.join(map(repr, unknown))}.",
            where="label",
            mend=f"Its labels are {', '.join(map(repr, known))}.",
        )


@dataclass(frozen=True)
class _Cuts:
    """What each of K neurons says of N questions, shapes (K,) and (N, K)."""

    says: NDArray[np.str_]
    scores: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    polarities: NDArray[np.int8]
    sides: NDArray[np.float64]
    """How far an activation is on the side that says it; below 0: on the other."""
    right: NDArray[np.bool_]


def _cut(X: NDArray[Any], y: NDArray[np.str_], labels: Sequence[str]) -> _Cuts:
    """Cut each neuron where it best tells one label from the others; of two, the second."""
    present = [label for label in labels if label in y]
    if len(present) < 2:
        raise DataError(
            f"All questions have the same answer, {str(y[0])!r}: no neuron can be right or wrong.",
            where="label",
            mend="Give records with other labels, too.",
        )
    tried = present[1:] if len(labels) == 2 else present
    cuts = [best_cuts(X, y == label, "balanced_accuracy") for label in tried]
    best = np.argmax([cut.scores for cut in cuts], axis=0)
    says = np.array(tried)[best]

    def of_best(values: Callable[[Any], NDArray[Any]]) -> NDArray[Any]:
        return np.stack([values(cut) for cut in cuts])[best, np.arange(X.shape[1])]

    thresholds, polarities = of_best(lambda c: c.thresholds), of_best(lambda c: c.polarities)
    sides = (X.astype(np.float64) - thresholds) * polarities
    right = (sides > 0) == (y[:, None] == says)
    return _Cuts(says, of_best(lambda c: c.scores), thresholds, polarities, sides, right)


def _seen(
    classifier: SuperNeuronClassifier, X: NDArray[Any], asked: Sequence[Record], *, n: int,
    top: int, pictures: int,
) -> NeuronsSeen:  # fmt: skip
    read_out = classifier.read_out_
    y = np.array([record.label for record in asked], dtype=np.str_)
    cuts = _cut(X, y, sorted({*y.tolist(), *map(str, read_out.classes_.tolist())}))
    answers = read_out.predict(X).astype(np.str_)
    found = neuron_weights(read_out, X.astype(np.float64).std(axis=0))
    weights = None if found is None else signed_or_length(found)
    by = np.abs(weights) if weights is not None and np.ptp(np.abs(weights)) else cuts.scores
    neurons = []
    for k in np.argsort(-by, kind="stable")[:top].tolist():
        place, said = classifier.neurons_[k], cuts.sides[:, k] > 0
        named = _named(X[:, k], cuts.sides[:, k], cuts.right[:, k], asked, pictures)
        neurons.append(
            NeuronSeen(
                place.layer, place.index, None if weights is None else float(weights[k]),
                str(cuts.says[k]), bool(cuts.polarities[k] > 0), float(cuts.thresholds[k]),
                float(cuts.scores[k]), float(np.mean(said == (answers == cuts.says[k]))), *named,
            )
        )  # fmt: skip
    recall = [np.mean(answers[y == label] == label) for label in np.unique(y)]
    together = _agreement(cuts) if len(read_out.classes_) == 2 else None
    return NeuronsSeen(n, len(asked), float(np.mean(recall)), together, tuple(neurons))


def _agreement(cuts: _Cuts) -> float | None:
    """Mean over questions and pairs of neurons, from the sums of votes of 1 and -1."""
    votes = np.where(cuts.sides > 0, 1, -1)
    k = votes.shape[1]
    if k < 2:
        return None
    products = (votes.sum(axis=1).astype(np.float64) ** 2 - k) / (k * (k - 1))
    return float((1 + products.mean()) / 2)


def _named(
    x: NDArray[Any],
    sides: NDArray[np.float64],
    right: NDArray[np.bool_],
    asked: Sequence[Record],
    most: int,
) -> tuple[tuple[Shown, ...], ...]:
    order = np.argsort(x, kind="stable")
    wrong = [int(i) for i in np.argsort(-np.abs(sides), kind="stable") if not right[i]]
    chosen = (order[::-1][:most].tolist(), order[:most].tolist(), wrong[:most])
    return tuple(tuple(_shown(i, asked[i], x[i]) for i in rows) for rows in chosen)


def _shown(number: int, record: Record, activation: float) -> Shown:
    first = record.images[0]
    picture = str(first) if isinstance(first, Path) else record.id or f"record {number}"
    return Shown(picture, str(record.label), float(activation))
