"""Answers from logits over the label words, raw or calibrated: the model's own, or a lens's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from superneurons.errors import ModelError
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.rivals import BaseTask
from superneurons.evaluate.scoring import as_classes
from superneurons.probes.logits import CalibratedLogits
from superneurons.probes.splits import folds
from superneurons.task.groups import group_ids
from superneurons.task.record import Record

__all__ = ["best_lens_layer", "logit_answers"]

_FOLDS = 5


def logit_answers(
    base: BaseTask,
    train: tuple[Sequence[Record], NDArray[np.float32]],
    test: tuple[Sequence[Record], NDArray[np.float32]],
    *,
    calibrated: bool,
) -> Answers:
    """Answer by the largest logit among those that each record allows.

    Parameters
    ----------
    base
        How the base model is asked.
    train, test
        Records and their logits, shape (N, C).
    calibrated
        Fit biases and a scale on the training records first. A label that none of them has is then
        never answered; where they have only one, there is nothing to fit, and raw logits decide.
    """
    asked = base.asked(test[0])
    known = [record.label for record in base.asked(train[0])]
    logits = _calibrated(base, known, train[1], test[1]) if calibrated else test[1]
    words = base.words.labels if base.words else ()
    allowed = np.array([[word in (record.options or words) for word in words] for record in asked])
    p = softmax(np.where(allowed, logits.astype(np.float64), -np.inf), axis=1)
    chosen = [words[best] for best in p.argmax(axis=1)]
    return Answers(base.labels(test[0], chosen), np.asarray(p))


def _calibrated(
    base: BaseTask,
    known: Sequence[str | None],
    logits: NDArray[np.float32],
    others: NDArray[np.float32],
) -> NDArray[np.float64]:
    words = base.words.labels if base.words else ()
    seen = [index for index, word in enumerate(words) if word in set(known)]
    if len(seen) < 2:
        return others.astype(np.float64)
    read_out = CalibratedLogits().fit(logits[:, seen], np.array(known))
    decision = read_out.decision_function(others[:, seen])
    if decision.ndim == 1:
        decision = np.stack([np.zeros_like(decision), decision], axis=1)
    found = np.full(others.shape, -1e9)
    found[:, seen] = decision
    return found


def best_lens_layer(
    base: BaseTask,
    records: Sequence[Record],
    lens: NDArray[np.float32],
    *,
    calibrated: bool,
    seed: int,
) -> int:
    """Choose the layer, before the last, at which a logit lens answers best; of equals the first.

    Parameters
    ----------
    base
        How the base model is asked.
    records
        N labelled records.
    lens
        Logits over the label words of each layer, shape (N, L, C).
    calibrated
        Whether logits are calibrated; each layer is then judged by cross-validation.
    seed
        Of its folds.

    Returns
    -------
    int
        A layer from 1 to L - 1 (1 where L is 1).

    Raises
    ------
    ModelError
        When the label words can't be told apart.
    """
    if base.words is None:
        raise ModelError("The label words can't be told apart.", mend="See the base model's row.")
    labels = () if base.by_letter else base.words.labels
    fold = np.zeros(len(records), dtype=np.int64)
    if calibrated:
        classes, codes = np.unique([r.label for r in base.asked(records)], return_inverse=True)
        fold = folds(
            lens[:, -1].astype(np.float64), codes.astype(np.int64), group_ids(records),
            n_folds=_FOLDS, seed=seed, classes=classes,
        )  # fmt: skip
    scores = []
    for layer in range(max(1, lens.shape[1] - 1)):
        given = _crossed(base, records, lens[:, layer], fold, calibrated=calibrated)
        scores.append(mean_recall(*as_classes(records, given, labels)[:2]))
    return int(np.argmax(np.round(scores, 12))) + 1


def _crossed(
    base: BaseTask,
    records: Sequence[Record],
    logits: NDArray[np.float32],
    fold: NDArray[np.int64],
    *,
    calibrated: bool,
) -> list[str]:
    """Answer each fold by what was fitted on the others, where there is anything to fit."""
    given = [""] * len(records)
    for f in np.unique(fold):
        held = np.flatnonzero(fold == f)
        rest = np.flatnonzero(fold != f) if calibrated else held
        train, test = (([records[i] for i in part.tolist()], logits[part]) for part in (rest, held))
        answers = logit_answers(base, train, test, calibrated=calibrated)
        for index, label in zip(held.tolist(), answers.labels, strict=True):
            given[index] = label
    return given
