"""How well a fitted classifier does on other records, beside what it has to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from superneurons.activations.capture import Progress
from superneurons.errors import DataError
from superneurons.evaluate.answers import Answers, answers_of
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison, Row
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.rivals import BaseTask, base_task, majority_labels, text_only_labels
from superneurons.evaluate.scoring import score_predictions, score_records
from superneurons.evaluate.setting import early_exits, setting_of
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.prediction import Prediction
from superneurons.shortcut.timing import Timing, time_together
from superneurons.task.groups import group_ids
from superneurons.task.images import check_images
from superneurons.task.labels import known_labels
from superneurons.task.record import Record

__all__ = ["evaluate_classifier"]

_OURS = "Super Neurons"
_FOLDS = 5
_SHUFFLES = 1000


def evaluate_classifier(
    classifier: SuperNeuronClassifier,
    records: Sequence[Record],
    *,
    rivals: bool = True,
    repeats: int = 5,
    seed: int = 0,
    steps: Steps = silent,
) -> Comparison:
    """Score a fitted classifier on labelled records that it was not fitted on.

    The rivals that need labels (text only, calibrated logits) are cross-fitted on these records:
    each group is answered by a copy that saw only the others.

    Parameters
    ----------
    classifier
        A fitted one.
    records
        N labelled records, with labels the classifier knows.
    rivals
        Also run the whole base model, for its own answers, raw and calibrated.
    repeats
        Rounds of the timing.
    seed
        Of bootstrap, folds and shuffles.
    steps
        Shows progress.

    Raises
    ------
    DataError
        When pictures cannot be read, or labels are missing or unknown to the classifier.
    """
    truth = _known(classifier, records)
    check_images(records)
    if rivals:
        classifier.whole()
    with steps("answering") as told:
        answers = _answers(classifier, records, told)
    table = _Table(classifier, records, _folds(records, truth, seed), seed)
    own = classifier.whole() if rivals else classifier.vlm
    base = base_task(own, records, table.labels)
    timings = _time(classifier, base, records, repeats, rivals=rivals)
    rows = [*table.without_pictures()]
    if rivals:
        with steps("base model") as told:
            rows += table.of_base_model(base, timings[FIRST_TOKEN], told)
    rows.append(table.of_classifier(answers, timings[_OURS]))
    predicted = [answer.label for answer in answers]
    null = {"balanced_accuracy_95_of_shuffled_labels": _null(truth, predicted, seed)}
    setting = setting_of(classifier.vlm, records, repeats, seed, classifier.prompt)
    return Comparison(tuple(rows), setting | early_exits([classifier]), null, test=records)


@dataclass(frozen=True)
class _Table:
    """The rows of the rivals."""

    classifier: SuperNeuronClassifier
    records: Sequence[Record]
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
    seed: int

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.classifier.classes_.tolist())

    def row(self, name: str, given: Sequence[str], timing: Timing | None = None) -> Row:
        scores = score_records(self.records, given, labels=self.labels, seed=self.seed)
        layers = None if timing is None else self.classifier.vlm.n_layers
        return Row(name, scores, layers, timing=timing, answers=Answers(list(given)))

    def of_classifier(self, given: Sequence[Prediction], timing: Timing) -> Row:
        fitted, records = self.classifier, self.records
        scores = score_predictions(records, given, labels=self.labels, seed=self.seed)
        answers = answers_of(records, given, self.labels)
        neurons = len(fitted.neurons_)
        return Row(_OURS, scores, fitted.exit_layer_, neurons, timing, answers=answers)

    def without_pictures(self) -> Iterator[Row]:
        yield self.row("majority class", majority_labels(self.records, self.records, self.labels))
        if self.parts:
            yield self.row("text only", self._crossed(self._text_only))

    def of_base_model(self, base: BaseTask, timing: Timing, told: Progress) -> Iterator[Row]:
        if base.words is None:
            yield Row(FIRST_TOKEN, None, self.classifier.vlm.n_layers, None, timing, base.why_not)
            return
        records, size = self.records, self.classifier.batch_size
        vlm = self.classifier.whole()  # sees pictures as it was made to
        prompt = self.classifier.prompt
        logits = base.logits(vlm, records, prompt=prompt, batch_size=size, progress=told)
        yield self.row(FIRST_TOKEN, base.raw(records, logits), timing)
        if self.parts:
            answers = self._crossed(
                lambda fit, rest: base.calibrated(
                    _at(records, fit), logits[fit], _at(records, rest), logits[rest]
                )
            )
            yield self.row("calibrated logits", answers, timing)

    def _text_only(self, fit: NDArray[np.int64], rest: NDArray[np.int64]) -> list[str]:
        return text_only_labels(_at(self.records, fit), _at(self.records, rest), self.labels)

    def _crossed(
        self, answer: Callable[[NDArray[np.int64], NDArray[np.int64]], Sequence[str]]
    ) -> list[str]:
        """Answer each fold by what was learnt on the others."""
        found: dict[int, str] = {}
        for fit, rest in self.parts:
            found.update(zip(rest.tolist(), answer(fit, rest), strict=True))
        return [found[index] for index in sorted(found)]


def _known(classifier: SuperNeuronClassifier, records: Sequence[Record]) -> list[str]:
    if not records:
        raise DataError("There are no records to evaluate on.", mend="Give some.")
    truth = known_labels(records)
    unknown = sorted(set(truth) - set(classifier.classes_.tolist()))
    if len(classifier.classes_) and unknown:
        raise DataError(
            f"The classifier doesn't know the labels {', '.join(map(repr, unknown))}.",
            where="label",
            mend=f"Its labels are {', '.join(map(repr, classifier.classes_.tolist()))}.",
        )
    return truth


def _answers(
    classifier: SuperNeuronClassifier, records: Sequence[Record], told: Progress
) -> list[Prediction]:
    answers = []
    for answer in classifier.answers(records):
        answers.append(answer)
        told(len(answers), len(records))
    return answers


def _at(records: Sequence[Record], indices: NDArray[np.int64]) -> list[Record]:
    return [records[index] for index in indices]


def _folds(
    records: Sequence[Record], truth: Sequence[str], seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split into folds that keep groups whole; none for one label, or where a fold lacks one."""
    groups, labels = group_ids(records), np.array(truth)
    n_folds = min(
        _FOLDS, len(np.unique(groups)), *np.unique(labels, return_counts=True)[1].tolist()
    )
    if n_folds < 2 or len(np.unique(labels)) < 2:
        return []
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    parts = list(splitter.split(labels, labels, groups))
    whole = all(set(labels[fit]) == set(labels) for fit, _ in parts)
    return parts if whole else []


def _time(
    classifier: SuperNeuronClassifier,
    base: BaseTask,
    records: Sequence[Record],
    repeats: int,
    *,
    rivals: bool,
) -> dict[str, Timing]:
    vlm = classifier.whole() if rivals else classifier.vlm
    own, asked = classifier.vlm, base.asked(records)
    calls: dict[str, Callable[[int], object]] = {
        _OURS: lambda i: classifier.answer(own, [records[i % len(records)]])
    }
    if rivals:
        calls[FIRST_TOKEN] = lambda i: vlm.last_states(
            vlm.encode([asked[i % len(asked)]], classifier.prompt), logits=True
        )
    return time_together(calls, repeats=repeats, device=vlm.device)


def _null(truth: Sequence[str], predicted: Sequence[str], seed: int) -> float:
    """Balanced accuracy that these answers exceed in 1 of 20 shuffles of the labels."""
    rng = np.random.default_rng(seed)
    labels, answers = np.array(truth), np.array(predicted)
    reached = []
    for _ in range(_SHUFFLES):
        dealt = rng.permutation(labels)
        right = dealt == answers
        reached.append(np.mean([right[dealt == label].mean() for label in np.unique(labels)]))
    return float(np.quantile(reached, 0.95))
