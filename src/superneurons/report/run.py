"""What a run found: all that a report draws, and nothing else is needed to draw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Agreement",
    "Bin",
    "Chosen",
    "Confusion",
    "Curve",
    "Example",
    "Kind",
    "Run",
    "Selection",
    "Tradeoff",
]

Kind: TypeAlias = Literal["fit", "compare", "demo", "search", "eval"]
"""The command that made a run."""

Interval: TypeAlias = tuple[float, float]
"""Lower and upper end, at 95 %."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One neuron that was chosen.

    Parameters
    ----------
    layer
        Counts from 1.
    column
        Counts from 0.
    score
        Balanced accuracy of the neuron alone, on the probing set that chose it.
    weight
        What its vote weighs, for one standard deviation of its activation, signed; of more than two
        labels the length of its weights; 1 where all weigh the same.
    """

    layer: int
    column: int
    score: float
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What the neurons of a site know one by one, and which were chosen.

    Parameters
    ----------
    kind, position
        The site.
    scores
        Balanced accuracy of each neuron alone (its own best direction and threshold), on the
        probing set; shape (L, W) float32. Of more than two labels, of the best label against the
        rest.
    chosen
        Strongest first.
    null_maxima
        The best score of all L·W neurons with shuffled labels, for each shuffle.
    n
        Questions of the probing set.
    read_out
        What chose them: a name of the comparison, where there is one.
    """

    kind: str
    position: str
    scores: NDArray[np.float32]
    chosen: tuple[Chosen, ...]
    null_maxima: tuple[float, ...]
    n: int
    read_out: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """How well a read-out does when it may read the first k layers only.

    Parameters
    ----------
    read_out
        Its name.
    layers
        The values of k.
    balanced_accuracy
        One for each.
    intervals
        At 95 %, one for each; none where they weren't estimated.
    n
        Records that were answered.
    held_out
        Whether these are other records than those it was fitted on; else it is cross-validated.
    """

    read_out: str
    layers: tuple[int, ...]
    balanced_accuracy: tuple[float, ...]
    intervals: tuple[Interval, ...]
    n: int
    held_out: bool


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """One way to answer: how good, and how long it takes.

    Parameters
    ----------
    name
        What it is.
    balanced_accuracy, interval
        Of all records that were answered, at 95 %.
    ms, ms_range
        Median milliseconds of one record, and its quartiles; the median twice where only that is
        known.
    exit_layer
        Decoder layers that run; ``None`` where the model doesn't.
    chosen
        Whether it is the one recommended.
    held_out
        Whether the records are others than those it was fitted on; else it is cross-validated.
    """

    name: str
    balanced_accuracy: float
    interval: Interval
    ms: float
    ms_range: Interval
    exit_layer: int | None
    chosen: bool = False
    held_out: bool = True


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of similar confidence.

    Parameters
    ----------
    low, high
        Its ends.
    n
        Answers.
    confidence, accuracy
        Their means.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Example:
    """One record that was answered, small enough to be kept.

    Parameters
    ----------
    id
        The record's, or its number.
    question, label, answer
        Asked, known, given.
    confidence
        Probability of the answer.
    thumbnail
        Its first picture as a ``data:`` URI (JPEG, 96 pixels at most); empty without.
    path
        Where its first picture is; empty where it is no file.
    """

    id: str
    question: str
    label: str
    answer: str
    confidence: float
    thumbnail: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Labels against answers, with records to look at.

    Parameters
    ----------
    labels
        In order.
    counts
        Row: label; column: answer.
    right, wrong, unsure
        Right and wrong with most confidence first; unsure with least.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    right: tuple[Example, ...]
    wrong: tuple[Example, ...]
    unsure: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The classifier and the base model's own answer, record by record.

    Parameters
    ----------
    both_right, only_ours, only_base, both_wrong
        Numbers of records.
    """

    both_right: int
    only_ours: int
    only_base: int
    both_wrong: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run of a command. What it didn't measure is ``None`` or empty.

    Parameters
    ----------
    kind
        The command.
    title
        The task, or the question.
    questions
        What is asked, for example; the first few.
    labels
        The answers.
    command
        What runs it again.
    setting
        Model, fingerprint, device, dtype, numbers of records, seed, prompt, versions.
    comparison
        :meth:`superneurons.evaluate.comparison.Comparison.as_dict`, with its recommendation.
    selection, curves, tradeoffs, bins, ece, confusion, agreement
        What is drawn.
    notes
        What has to be said beside them.
    subject
        Whose answers bins, confusion and agreement are: a name of the comparison.
    """

    kind: Kind
    title: str
    questions: tuple[str, ...]
    labels: tuple[str, ...]
    command: str
    setting: Mapping[str, Any]
    comparison: Mapping[str, Any] | None = None
    selection: Selection | None = None
    curves: tuple[Curve, ...] = ()
    tradeoffs: tuple[Tradeoff, ...] = ()
    bins: tuple[Bin, ...] = ()
    ece: float | None = None
    confusion: Confusion | None = None
    agreement: Agreement | None = None
    notes: tuple[str, ...] = field(default=())
    subject: str = ""
