"""The nearest linear head: fitted on one part, measured on another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import balanced_accuracy_score

from pictures import bright_records, shades
from superneurons.errors import DataError
from superneurons.export.final_norm import FinalNorm, final_norm
from superneurons.export.refit import exit_states, refit
from superneurons.probes.splits import folds, hold_out
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.groups import group_ids
from superneurons.task.record import Record
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def norm(llava: VLM) -> FinalNorm:
    return final_norm(llava.model.config, llava.family)


@pytest.fixture(scope="module")
def bright(llava: VLM) -> SuperNeuronClassifier:
    return fitted(llava, bright_records(60))


def fitted(llava: VLM, records: list[Record]) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava, max_layer=2).fit(records)


def test_states_are_those_of_the_exit_layer(llava: VLM, bright: SuperNeuronClassifier) -> None:
    classifier, records = bright, bright_records(5)
    found = exit_states(classifier, records)
    whole = llava.last_states(llava.encode(records)).parts["residual"]
    np.testing.assert_allclose(found, whole[:, classifier.exit_layer_ - 1], rtol=2e-3, atol=2e-3)


def test_states_are_read_as_the_classifier_asks_and_batch_by_batch(llava: VLM) -> None:
    every: dict[str, Any] = {"max_layer": 3, "read_out_params": {"tolerance": None}}
    classifier = SuperNeuronClassifier(llava, prompt_order="question-first", batch_size=2, **every)
    classifier.fit(bright_records(24))
    assert classifier.exit_layer_ == 3
    asked = [replace(record, question="Bright?") for record in bright_records(5)]
    told: list[tuple[int, int]] = []
    found = exit_states(classifier, asked, lambda done, of: told.append((done, of)))
    whole = llava.last_states(llava.encode(asked, classifier.prompt)).parts["residual"]
    assert (found.shape, found.dtype) == ((5, 32), np.dtype(np.float32))
    np.testing.assert_allclose(found, whole[:, 2], rtol=2e-3, atol=2e-3)
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_pictures_alone_leave_no_state(llava: VLM) -> None:
    seeing = SuperNeuronClassifier(llava, site="projector").fit(bright_records(24))
    with pytest.raises(DataError, match="no decoder layer leaves a state") as refused:
        exit_states(seeing, bright_records(2))
    assert refused.value.where == "site"


def ridge(X: NDArray[np.float64], codes: NDArray[np.int64], penalty: float) -> NDArray[np.float64]:
    """Ridge regression on codes around their mean, each label with the same weight, (C, D)."""
    n, n_classes = len(codes), int(codes.max()) + 1
    weights = n / (n_classes * np.bincount(codes)[codes])
    A = X * np.sqrt(weights)[:, None]
    Y = (np.eye(n_classes)[codes] - 1 / n_classes) * np.sqrt(weights)[:, None]
    damped = A.T @ A + penalty * A.var(axis=0).sum() * np.eye(X.shape[1])
    return np.asarray(np.linalg.solve(damped, A.T @ Y).T)


@pytest.mark.parametrize("signal", [0.1, 0.25, 0.6])
def test_it_is_the_ridge_regression_that_does_best_on_records_left_out(
    bright: SuperNeuronClassifier, norm: FinalNorm, signal: float
) -> None:
    records = [
        replace(record, label="yes" if number % 3 else "no")
        for number, record in enumerate(bright_records(90))
    ]
    codes = np.array([int(record.label == "yes") for record in records])
    rng = np.random.default_rng(0)
    states = rng.normal(size=(90, 32)) + 1.0
    states[:, :4] += signal * (2 * codes - 1)[:, None]
    found = refit(bright, records, states.astype(np.float32), norm)
    X = norm(torch.from_numpy(states.astype(np.float32))).numpy().astype(np.float64)
    groups, drawn = group_ids(records), {"seed": 0, "classes": bright.classes_}
    held = hold_out(X, codes, groups, size=0.3, **drawn)
    A, own, fold = X[~held], codes[~held], folds(
        X[~held], codes[~held], groups[~held], n_folds=3, **drawn
    )  # fmt: skip
    left_out = {}
    for penalty in (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0):
        scores = np.empty((len(A), 2))
        for f in range(3):
            scores[fold == f] = A[fold == f] @ ridge(A[fold != f], own[fold != f], penalty).T
        left_out[penalty] = scores
    right = {p: balanced_accuracy_score(own, s.argmax(axis=1)) for p, s in left_out.items()}
    best = max(p for p in right if right[p] == pytest.approx(max(right.values())))
    weight = ridge(A, own, best)
    scale = np.linalg.norm(found.head.weight) / np.linalg.norm(weight)
    np.testing.assert_allclose(found.head.weight, scale * weight, rtol=1e-6, atol=1e-9)
    losses = [
        -log_softmax(factor * scale * left_out[best], axis=1)[np.arange(len(own)), own].mean()
        for factor in (0.97, 1.0, 1.03)
    ]
    assert losses[1] < min(losses[0], losses[2]), "as sure as it is right"
    given = found.head.scores(X[held]).argmax(axis=1)
    assert found.told["held_out"] == held.sum()
    assert found.told["accuracy"] == np.mean(given == codes[held])


@pytest.mark.parametrize("several", [False, True])
def test_it_learns_the_labels_without_an_intercept(
    llava: VLM, norm: FinalNorm, several: bool
) -> None:
    records = shades(90) if several else bright_records(90)
    classifier = fitted(llava, records)
    states = exit_states(classifier, records)
    found = refit(classifier, records, states, norm)
    assert not found.head.intercept.any()
    assert found.told["fitted_on"] + found.told["held_out"] == 90
    assert found.told["learnt_from"] == "labels"
    assert found.told["accuracy"] >= 0.9
    scores = found.head.scores(norm(torch.from_numpy(states)).numpy())
    truth = [classifier.classes_.tolist().index(record.label) for record in records]
    assert np.mean(scores.argmax(axis=1) == truth) > 0.9


def test_agreement_is_with_the_classifier_not_with_the_labels(
    bright: SuperNeuronClassifier, norm: FinalNorm
) -> None:
    records = bright_records(60)
    classifier = bright
    wrong = [replace(r, label="no" if r.label == "yes" else "yes") for r in records]
    told = refit(classifier, wrong, exit_states(classifier, wrong), norm).told
    assert told["accuracy"] > 0.9
    assert told["agreement"] < 0.1
    assert told["accuracy_of_classifier"] < 0.1


def test_without_labels_it_learns_the_answers(
    bright: SuperNeuronClassifier, norm: FinalNorm
) -> None:
    records = [replace(record, label=None) for record in bright_records(60)]
    classifier = bright
    told = refit(classifier, records, exit_states(classifier, records), norm).told
    assert told["learnt_from"] == "answers"
    assert told["agreement"] > 0.9
    assert "accuracy" not in told


def test_pictures_of_one_group_are_not_parted(
    bright: SuperNeuronClassifier, norm: FinalNorm
) -> None:
    records = [replace(r, group=f"g{i % 10}") for i, r in enumerate(bright_records(60))]
    classifier = bright
    told = refit(classifier, records, exit_states(classifier, records), norm).told
    assert 0 < told["held_out"] < 60
    assert told["held_out"] % 6 == 0


def test_a_label_in_too_few_groups_is_named(bright: SuperNeuronClassifier, norm: FinalNorm) -> None:
    records = [replace(r, group=f"g{i % 4}") for i, r in enumerate(bright_records(60))]
    classifier = bright
    with pytest.raises(DataError, match="class 'no'"):
        refit(classifier, records, exit_states(classifier, records), norm)


def test_a_label_that_nothing_stands_for_is_refused(llava: VLM, norm: FinalNorm) -> None:
    classifier = fitted(llava, shades(60))
    records = [record for record in shades(60) if record.label != "grey"]
    with pytest.raises(DataError, match="No record stands for 'grey'"):
        refit(classifier, records, exit_states(classifier, records), norm)


def test_the_same_records_give_the_same_head(
    bright: SuperNeuronClassifier, norm: FinalNorm
) -> None:
    records = bright_records(40)
    classifier = bright
    states = exit_states(classifier, records)
    a, b = (refit(classifier, records, states, norm).head.weight for _ in range(2))
    np.testing.assert_array_equal(a, b)
