"""The nearest linear head: fitted on one part, measured on another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pictures import bright_records, shades
from superneurons.errors import DataError
from superneurons.export.final_norm import FinalNorm, final_norm
from superneurons.export.refit import exit_states, refit
from superneurons.shortcut.classifier import SuperNeuronClassifier
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
