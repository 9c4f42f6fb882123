"""How well a fitted classifier does on other records, beside what it has to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from superneurons.activations.capture import Progress
from superneurons.errors import DataError
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison, Row
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.rivals import BaseTask, base_task, text_only_labels
from superneurons.evaluate.scoring import score_predictions, score_records
from superneurons.evaluate.setting import setting_of
from superneurons.evaluate.timing import Timing, time_together
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.prediction import Prediction
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
    labels: tuple[str, ...] = tuple(classifier.classes_.tolist())
    with steps("answering") as told:
        answers = _answers(classifier, records, told)
    predicted = [answer.label for answer in answers]
    parts = _folds(records, truth, seed)
    base = base_task(classifier.vlm, records, labels)

    def scored(name: str, guesses: Sequence[str], timing: Timing | None = None) -> Row:
        scores = score_records(records, guesses, labels=labels, seed=seed)
        return Row(name, scores, None if timing is None else classifier.vlm.n_layers, timing=timing)

    rows = [scored("majority class", _majority(truth))]
    if parts:
        text = _crossed(
            parts, lambda a, b: text_only_labels(_at(records, a), _at(records, b), labels)
        )
        rows.append(scored("text only", text))
    timings = _time(classifier, base, records, repeats, rivals=rivals)
    if rivals and base.words is not None:
        with steps("base model") as told:
            logits = base.logits(
                classifier.vlm, records, batch_size=classifier.batch_size, progress=told
            )
        rows.append(scored(FIRST_TOKEN, base.raw(records, logits), timings[FIRST_TOKEN]))
        if parts:
            fitted = _crossed(
                parts,
                lambda a, b: base.calibrated(
                    _at(records, a), logits[a], _at(records, b), logits[b]
                ),
            )
            rows.append(scored("calibrated logits", fitted, timings[FIRST_TOKEN]))
    elif rivals:
        rows.append(Row(FIRST_TOKEN, None, note=base.why_not))
    ours = score_predictions(records, answers, labels=labels, seed=seed)
    rows.append(Row(_OURS, ours, classifier.exit_layer_, len(classifier.neurons_), timings[_OURS]))
    null = {"balanced_accuracy_95_of_shuffled_labels": _null(truth, predicted, seed)}
    return Comparison(tuple(rows), setting_of(classifier.vlm, records, repeats, seed), null)


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


def _majority(truth: Sequence[str]) -> list[str]:
    values, counts = np.unique(np.array(truth), return_counts=True)
    return [str(values[counts.argmax()])] * len(truth)


def _at(records: Sequence[Record], indices: NDArray[np.int64]) -> list[Record]:
    return [records[index] for index in indices]


def _folds(
    records: Sequence[Record], truth: Sequence[str], seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split into folds that keep groups whole; none where some fold would lack a label."""
    groups, labels = group_ids(records), np.array(truth)
    n_folds = min(
        _FOLDS, len(np.unique(groups)), *np.unique(labels, return_counts=True)[1].tolist()
    )
    if n_folds < 2:
        return []
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    parts = list(splitter.split(labels, labels, groups))
    whole = all(set(labels[fit]) == set(labels) for fit, _ in parts)
    return parts if whole else []


def _crossed(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    answer: Callable[[NDArray[np.int64], NDArray[np.int64]], Sequence[str]],
) -> list[str]:
    """Answer each fold by what was learnt on the others."""
    found: dict[int, str] = {}
    for fit, rest in parts:
        found.update(zip(rest.tolist(), answer(fit, rest), strict=True))
    return [found[index] for index in sorted(found)]


def _time(
    classifier: SuperNeuronClassifier,
    base: BaseTask,
    records: Sequence[Record],
    repeats: int,
    *,
    rivals: bool,
) -> dict[str, Timing]:
    vlm = classifier.vlm
    cut, asked = vlm.truncated(classifier.exit_layer_), base.asked(records)
    calls: dict[str, Callable[[int], object]] = {
        _OURS: lambda i: classifier.answer(cut, [records[i % len(records)]])
    }
    if rivals:
        calls[FIRST_TOKEN] = lambda i: vlm.last_states(
            vlm.encode([asked[i % len(asked)]]), logits=True
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
