"""The amplified model as the last step for records that a classifier or a cascade is unsure of.

A last step is fitted on records that the classifier never saw, parted in two: on one half the
logits of each candidate are calibrated, on the other the candidate and its gate are chosen. What
it brings is told on records that neither saw, beside the same step without amplification, since
asking the whole model a second time can help by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.gate import Gate, choose_gate
from superneurons.amplify.neurons import Scoring, differences
from superneurons.errors import DataError
from superneurons.evaluate.paired import PairedDifference, paired_difference
from superneurons.evaluate.scoring import as_classes
from superneurons.probes.logits import CalibratedLogits
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_answering import words_for
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.form import answered, as_asked
from superneurons.shortcut.prediction import Prediction
from superneurons.task.groups import group_ids
from superneurons.task.record import Record
from superneurons.task.split import grouped_split
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Candidate", "Fitted", "Gain", "LastStep", "fit_last_step", "last_step_gain",
           "record_differences"]  # fmt: skip

Fitted: TypeAlias = SuperNeuronClassifier | Cascade
Candidate: TypeAlias = tuple[Amplification, ...]
"""Amplifications at once, one for each layer; none: the base model's own answer."""

_SITE = Site("mlp")


@dataclass(frozen=True)
class LastStep:
    """Answers unsure records by the amplified model.

    Parameters
    ----------
    fitted
        The classifier or cascade that comes before.
    candidate
        What is amplified.
    read_out
        Fitted on the label logits of the amplified model.
    words
        What these are read from.
    gate
        Records whose confidence is below it are asked again.
    """

    fitted: Fitted
    candidate: Candidate
    read_out: CalibratedLogits
    words: LabelWords
    gate: Gate

    def answers(
        self, records: Sequence[Record], before: Sequence[Prediction] | None = None
    ) -> list[Prediction]:
        """Answer records; those that the gate is closed for as the classifier does.

        Parameters
        ----------
        records
            N of them.
        before
            The classifier's own answers, where they are known already.

        Raises
        ------
        DataError
            When a picture cannot be read, or a record's options cannot be asked or answered.
        ModelError
            When an amplification makes activations that are no finite numbers.
        """
        before = list(self.fitted.answers(records)) if before is None else list(before)
        unsure = np.flatnonzero(self.gate.open([answer.confidence for answer in before]))
        again = [records[row] for row in unsure.tolist()]
        if again:
            logits = _logits(self.fitted, again, self.candidate, self.words)
            found = _answered(self.fitted, again, logits, self.read_out)
            depth = _model(self.fitted).n_layers
            for row, (label, shares) in zip(unsure.tolist(), found, strict=True):
                before[row] = replace(
                    before[row], label=label, probabilities=shares,
                    confidence=max(shares.values()), exit_layer=depth,
                )  # fmt: skip
        return before


@dataclass(frozen=True)
class Gain:
    """What a last step brings on records that nothing was fitted or chosen on.

    Parameters
    ----------
    records, asked_again
        How many there are, and for how many the gate of the amplified step is open.
    fitted, base, amplified
        Accuracy of the classifier alone, with the base model's own answer as its last step, and
        with the amplified model's.
    over_fitted, over_base
        Amplified less each of the others, on the same records, with 95 % intervals.
    candidate
        What is amplified; nothing where no candidate was better than none.
    threshold
        Of its gate.
    """

    records: int
    asked_again: int
    fitted: float
    base: float
    amplified: float
    over_fitted: PairedDifference
    over_base: PairedDifference
    candidate: Candidate
    threshold: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def fit_last_step(
    fitted: Fitted, records: Sequence[Record], candidates: Sequence[Candidate], *, seed: int = 0
) -> LastStep:
    """Choose what is amplified, and for which confidences.

    Parameters
    ----------
    fitted
        A fitted classifier or cascade, with its whole model at hand.
    records
        Labelled ones that it was not fitted on.
    candidates
        At least one; of equals the first is taken.
    seed
        Of the split.

    Raises
    ------
    DataError
        When there is no candidate, the classifier asks for each answer by itself, or the records
        cannot be split or answered.
    ModelError
        When the model's first token cannot tell the labels apart, or a candidate makes activations
        that are no finite numbers.
    MismatchError
        When neurons are of another model.
    """
    if not candidates or fitted.form_ == "unrolled":
        raise DataError(
            "There is nothing to choose from." if not candidates else
            "A classifier that asks for each answer by itself has no label logits to amplify.",
            where="candidates" if not candidates else "multiclass",
            mend="Give amplifications to try, and fit with multiclass 'native'.",
        )  # fmt: skip
    parts = grouped_split(records, test_size=0.5, seed=seed)
    learn, choose = ([records[row] for row in part.tolist()] for part in parts)
    asked = as_asked(learn, fitted.form_, fitted.classes_.tolist())
    labels = [str(record.label) for record in asked]
    words = words_for(_model(fitted), sorted(set(labels)))
    before = list(fitted.answers(choose))
    best: tuple[float, LastStep] | None = None
    for candidate in candidates:
        read_out = CalibratedLogits().fit(
            _logits(fitted, learn, candidate, words), np.array(labels), groups=group_ids(learn)
        )
        logits = _logits(fitted, choose, candidate, words)
        after = [label for label, _ in _answered(fitted, choose, logits, read_out)]
        step, worth = _gated(LastStep(fitted, candidate, read_out, words, Gate(0.0)), choose,
                             before, after)  # fmt: skip
        if best is None or worth > best[0]:
            best = worth, step
    assert best is not None
    return best[1]


def _gated(
    step: LastStep, records: Sequence[Record], before: Sequence[Prediction], after: Sequence[str]
) -> tuple[LastStep, float]:
    """The step with its gate, and how often it is right where that was chosen."""
    truth = np.array([record.label for record in records], dtype=object)
    plain = np.array([answer.label for answer in before], dtype=object) == truth
    more = np.array(after, dtype=object) == truth
    sure = np.array([answer.confidence for answer in before])
    gate = choose_gate(sure, plain, more)
    return replace(step, gate=gate), float(np.where(gate.open(sure), more, plain).mean())


def last_step_gain(
    step: LastStep, base: LastStep, records: Sequence[Record], *, seed: int = 0
) -> Gain:
    """Tell what a last step brings on held-out records.

    Parameters
    ----------
    step
        The amplified one.
    base
        The same without amplification: ``fit_last_step(fitted, records, [()])``.
    records
        N labelled ones that neither was fitted or chosen on.
    seed
        Of the bootstrap, which keeps groups whole.

    Raises
    ------
    DataError, ModelError
        As :meth:`LastStep.answers` does.
    """
    before = list(step.fitted.answers(records))
    given = {
        "fitted": before,
        "base": base.answers(records, before),
        "amplified": step.answers(records, before),
    }
    names = step.fitted.classes_.tolist()
    labels = {name: [answer.label for answer in answers] for name, answers in given.items()}
    truth, _, classes = as_classes(records, labels["fitted"], names)
    said = {name: as_classes(records, own, names)[1] for name, own in labels.items()}

    def beside(other: str) -> PairedDifference:
        return paired_difference(
            truth, said["amplified"], said[other], classes=classes,
            groups=group_ids(records).tolist(), rate="accuracy", seed=seed,
        )  # fmt: skip

    right = {name: float(np.mean(np.array(own) == np.array(truth))) for name, own in said.items()}
    open_for = step.gate.open([answer.confidence for answer in before])
    return Gain(
        len(records), int(open_for.sum()), right["fitted"], right["base"], right["amplified"],
        beside("fitted"), beside("base"), step.candidate, step.gate.threshold,
    )  # fmt: skip


def record_differences(
    vlm: VLM,
    task: Sequence[Record],
    control: Sequence[Record],
    *,
    prompt: Prompt | None = None,
    scoring: Scoring = "difference",
    batch_size: int = 8,
) -> NDArray[np.float64]:
    """Score the MLP neurons of a VLM by how much more they fire for a task's records.

    Parameters
    ----------
    vlm
        The whole model.
    task, control
        Records of the task, and of others; labels are not needed.
    prompt
        How they are asked.
    scoring
        How (:data:`~superneurons.amplify.neurons.Scoring`).
    batch_size
        Records per forward pass.

    Returns
    -------
    ndarray of shape (L, W), float64
        For :func:`~superneurons.amplify.neurons.strongest`.

    Raises
    ------
    DataError
        When there are no records of either, or a picture cannot be read.
    ModelError
        When the model has no MLP neurons of its own.
    """
    if not task or not control:
        raise DataError(
            "Neurons of a task are found by comparing its records with others.",
            where="control records" if task else "task records",
            mend="Give records of the task, and control records of other tasks.",
        )
    values = [
        capture(vlm, part, sites=(_SITE,), prompt=prompt, batch_size=batch_size).activations
        for part in (task, control)
    ]
    return differences(values[0], values[1], scoring)


def _model(fitted: Fitted) -> VLM:
    return fitted.at_resolution(fitted.whole())


def _logits(
    fitted: Fitted, records: Sequence[Record], candidate: Candidate, words: LabelWords
) -> NDArray[np.float32]:
    """Label logits (N, C) of the model, amplified, by its own forward pass."""
    vlm = _model(fitted)
    asked = as_asked(records, fitted.form_, fitted.classes_.tolist())
    with ExitStack() as blocks:
        for amplification in candidate:
            blocks.enter_context(amplified(vlm, amplification))
        found = capture(
            vlm, asked, sites=(_SITE,), prompt=fitted.prompt, batch_size=fitted.batch_size,
            words=words,
        )  # fmt: skip
    assert found.label_logits is not None
    return found.label_logits


def _answered(
    fitted: Fitted, records: Sequence[Record], logits: NDArray[Any], read_out: CalibratedLogits
) -> list[tuple[str, dict[str, float]]]:
    return answered(records, logits, read_out, fitted.form_, fitted.classes_.tolist())
