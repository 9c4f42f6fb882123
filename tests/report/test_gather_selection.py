from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, shades
from superneurons.activations.capture import Captured
from superneurons.evaluate.cut_scores import cut_scores, shuffled_cut_maximum
from superneurons.report import gather_selection
from superneurons.report.gather_selection import selection_of
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import ProbingSet
from superneurons.vlm.model import VLM

Fit = tuple[SuperNeuronClassifier, ProbingSet, Captured]


def fit(vlm: VLM, records: Any = None, **parameters: Any) -> Fit:
    seen: list[tuple[ProbingSet, Captured]] = []
    classifier = SuperNeuronClassifier(vlm, **parameters)
    classifier.fit(records or bright_records(24), witness=lambda *what: seen.append(what))
    return (classifier, *seen[0])


def test_every_neuron_is_scored_on_the_probing_set(llava: VLM) -> None:
    classifier, probing, captured = fit(llava, random_state=3)
    found = selection_of(classifier, probing, captured, read_out="ours")
    assert (found.kind, found.position, found.read_out, found.n) == (
        "residual", "last_prompt", "ours", 24,
    )  # fmt: skip
    codes = (probing.y == "yes").astype(np.int64)
    np.testing.assert_array_equal(found.scores, cut_scores(captured.activations, codes))
    own = probing.groups
    expected = shuffled_cut_maximum(captured.activations, codes, 100, groups=own, seed=3)
    np.testing.assert_allclose(found.null_maxima, expected, atol=1e-6)
    # An easy question: its neurons know more than any do by chance.
    assert found.scores.max() > np.quantile(found.null_maxima, 0.95)


@pytest.mark.parametrize("records", [bright_records(24), shades(24)], ids=["two", "three"])
def test_the_chosen_are_the_classifiers_the_heaviest_first(llava: VLM, records: Any) -> None:
    classifier, probing, captured = fit(llava, records)
    found = selection_of(classifier, probing, captured)
    own = {(neuron.layer, neuron.index): k for k, neuron in enumerate(classifier.neurons_)}
    assert {(one.layer, one.column) for one in found.chosen} == own.keys()
    weights = [one.weight for one in found.chosen]
    assert weights == sorted(weights, key=abs, reverse=True)
    for one in found.chosen[:5]:
        assert one.score == pytest.approx(found.scores[one.layer - 1, one.column], abs=1e-6)
        # The vote of a neuron: what one standard deviation more of it adds to the decision.
        k = own[one.layer, one.column]
        values = captured.activations[:, one.layer - 1, one.column].astype(np.float64)
        X = np.zeros((2, len(own)), dtype=np.float64)
        X[1, k] = values.std()
        moved = np.diff(classifier.read_out_.decision_function(X), axis=0).ravel()
        wanted = moved[0] if len(moved) == 1 else np.linalg.norm(moved)
        assert one.weight == pytest.approx(wanted, rel=1e-4)


def test_weights_of_a_probe_are_of_standard_scores_already(llava: VLM) -> None:
    classifier, probing, captured = fit(llava, read_out="logistic")
    found = selection_of(classifier, probing, captured)
    coef = classifier.read_out_.coef_[:, 0]  # type: ignore[attr-defined]
    assert sorted(one.weight for one in found.chosen) == pytest.approx(sorted(coef), rel=1e-4)


@pytest.mark.parametrize("read_out", ["paper", "savs", "knn"])
def test_where_all_weigh_the_same_the_best_alone_come_first(llava: VLM, read_out: str) -> None:
    classifier, probing, captured = fit(llava, read_out=read_out)
    found = selection_of(classifier, probing, captured)
    assert {one.weight for one in found.chosen} == {1.0}
    scores = [one.score for one in found.chosen]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == len(classifier.neurons_)


def test_only_layers_that_could_be_chosen_are_scored(llava: VLM) -> None:
    classifier, probing, captured = fit(llava, read_out="paper", max_layer=2)
    assert selection_of(classifier, probing, captured).scores.shape == (2, 32)
    deeper = fit(llava)[2]
    assert selection_of(classifier, probing, deeper).scores.shape == (2, 32)


def test_of_very_many_questions_some_are_drawn(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, probing, captured = fit(llava)
    monkeypatch.setattr(gather_selection, "_MOST_QUESTIONS", 16)
    found = selection_of(classifier, probing, captured)
    assert found.n == 16
    weights = [one.weight for one in selection_of(classifier, probing, captured).chosen]
    monkeypatch.setattr(gather_selection, "_MOST_QUESTIONS", 4000)
    assert weights == [one.weight for one in selection_of(classifier, probing, captured).chosen]


@pytest.mark.parametrize(("work", "n"), [(24 * 128 * 40, 40), (1, 20), (1e12, 100)])
def test_the_more_there_is_to_shuffle_the_fewer_shuffles(
    llava: VLM, work: float, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather_selection, "_MOST_WORK", work)
    assert len(selection_of(*fit(llava)).null_maxima) == n


def test_questions_of_one_picture_are_shuffled_together(llava: VLM) -> None:
    records = [
        replace(record, question=question)
        for record in bright_records(12)
        for question in ("Is it bright?", "Is it light?")
    ]
    classifier, probing, captured = fit(llava, records)
    assert len(set(probing.groups.tolist())) == 12
    found = selection_of(classifier, probing, captured)
    codes = (probing.y == "yes").astype(np.int64)
    expected = shuffled_cut_maximum(captured.activations, codes, 100, groups=probing.groups)
    np.testing.assert_allclose(found.null_maxima, expected, atol=1e-6)
