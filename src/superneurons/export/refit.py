"""The nearest linear read-out of what a stock engine's head gets, fitted anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.activations.capture import Progress, capture
from superneurons.activations.site import Site
from superneurons.errors import DataError
from superneurons.export.final_norm import FinalNorm
from superneurons.export.linear import LinearHead
from superneurons.probes.splits import folds, hold_out
from superneurons.task.groups import group_ids
from superneurons.task.record import Record

if TYPE_CHECKING:
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["Refitted", "exit_states", "refit"]

_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
_LOG_FACTORS = (-7.0, 7.0)
_HELD_OUT = 0.3
_FOLDS = 3


@dataclass(frozen=True)
class Refitted:
    """A head without intercept, and how far it is the classifier it stands for.

    Parameters
    ----------
    head
        On normed states.
    told
        JSON values: ``fitted_on`` and ``held_out`` records, ``learnt_from`` (``labels`` or
        ``answers`` of the classifier), and of the held-out part ``agreement`` with the classifier
        and, where there are labels, both ``accuracy`` and ``accuracy_of_classifier``.
    """

    head: LinearHead
    told: dict[str, Any]


def exit_states(
    classifier: SuperNeuronClassifier, records: Sequence[Record], progress: Progress | None = None
) -> NDArray[np.float32]:
    """Return the residual stream after a classifier's exit layer, shape (N, D).

    Raises
    ------
    DataError
        When a picture cannot be read, or the classifier needs no decoder layer.
    """
    depth = classifier.exit_layer_
    if not depth:
        raise DataError(
            "This classifier reads the pictures alone: no decoder layer leaves a state for a head.",
            where="site",
            mend="Export it as ONNX (superneurons export onnx), or fit one that reads the "
            "residual stream.",
        )
    found = capture(
        classifier.vlm.truncated(depth), classifier.asked(records), sites=(Site(),),
        prompt=classifier.prompt, batch_size=classifier.batch_size, progress=progress,
    )  # fmt: skip
    return np.asarray(found.at(Site()).activations[:, depth - 1], dtype=np.float32)


def refit(
    classifier: SuperNeuronClassifier,
    records: Sequence[Record],
    states: NDArray[np.float32],
    norm: FinalNorm,
    *,
    seed: int = 0,
) -> Refitted:
    """Fit ridge regression without an intercept on normed states, on a part of the records.

    Penalty and sharpness are cross-validated. It learns the records' labels, or the classifier's
    answers where some have none.

    Parameters
    ----------
    classifier
        A fitted one, of one question for all.
    records
        N of them.
    states
        From :func:`exit_states`, shape (N, D).
    norm
        What the engine puts before its head.
    seed
        Of what is held out.

    Raises
    ------
    DataError
        When a label is in fewer than two groups of records, or isn't one of the classifier's.
    """
    names = [str(label) for label in classifier.classes_]
    answers = np.array([names.index(str(label)) for label in classifier.predict(records)])
    labelled = all(record.label in names for record in records)
    codes = np.array([names.index(str(r.label)) for r in records]) if labelled else answers
    _refuse_missing(names, codes)
    X = norm(torch.from_numpy(states)).numpy().astype(np.float64)
    groups = group_ids(records)
    held = hold_out(X, codes, groups, size=_HELD_OUT, seed=seed, classes=classifier.classes_)
    fold = folds(
        X[~held], codes[~held], groups[~held], n_folds=_FOLDS, seed=seed,
        classes=classifier.classes_,
    )  # fmt: skip
    head = _fitted(X[~held], codes[~held], fold)
    given = head.scores(X[held]).argmax(axis=1)
    told: dict[str, Any] = {
        "fitted_on": int((~held).sum()),
        "held_out": int(held.sum()),
        "learnt_from": "labels" if labelled else "answers",
        "agreement": float(np.mean(given == answers[held])),
    }
    if labelled:
        told["accuracy"] = float(np.mean(given == codes[held]))
        told["accuracy_of_classifier"] = float(np.mean(answers[held] == codes[held]))
    return Refitted(head, told)


def _refuse_missing(names: Sequence[str], codes: NDArray[np.int64]) -> None:
    missing = [name for code, name in enumerate(names) if code not in codes]
    if missing:
        raise DataError(
            f"No record stands for {', '.join(map(repr, missing))}.",
            where="--data",
            mend="Give records of every label, such as those the classifier was fitted on.",
        )


def _fitted(
    X: NDArray[np.float64], codes: NDArray[np.int64], fold: NDArray[np.int64]
) -> LinearHead:
    """Choose the penalty by cross-validation, fit on all, and set the scale of the scores."""
    n_classes = int(codes.max()) + 1
    scores = np.empty((len(_PENALTIES), len(X), n_classes))
    for f in range(int(fold.max()) + 1):
        weights = _weights(X[fold != f], codes[fold != f], n_classes)
        scores[:, fold == f] = [X[fold == f] @ weight.T for weight in weights]
    hits = scores.argmax(axis=2) == codes
    balanced = [np.mean([row[codes == c].mean() for c in range(n_classes)]) for row in hits]
    best = len(balanced) - 1 - int(np.argmax(balanced[::-1]))  # of equals the strongest penalty
    weight = _weights(X, codes, n_classes)[best] * _sharpness(scores[best], codes)
    return LinearHead(weight, np.zeros(n_classes))


def _weights(
    X: NDArray[np.float64], codes: NDArray[np.int64], n_classes: int
) -> list[NDArray[np.float64]]:
    """Ridge regression onto classes of equal weight without an intercept: (C, D) per penalty.

    What all samples share takes the intercept's place: normed states have the same length, and
    differ by less than they have in common. Penalties are in units of what they differ by.
    """
    counts = np.bincount(codes, minlength=n_classes)
    root = np.sqrt(len(codes) / (n_classes * counts[codes]))[:, None]
    A, Y = X * root, (np.eye(n_classes)[codes] - 1 / n_classes) * root
    basis, sizes, directions = np.linalg.svd(A, full_matrices=False)
    spread = np.sum((A - A.mean(axis=0)) ** 2) / len(A)
    moments = basis.T @ Y
    return [
        np.asarray((directions.T @ (moments * (sizes / (sizes**2 + penalty * spread))[:, None])).T)
        for penalty in _PENALTIES
    ]


def _sharpness(scores: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """The factor by which the softmax of the scores is likeliest."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_factor: float) -> float:
        likely = log_softmax(np.exp(log_factor) * scores, axis=1)
        return -float(likely[np.arange(len(codes)), codes].mean())

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_FACTORS, method="bounded").x))
