from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from pictures import bright_records
from superneurons.activations.capture import Captured
from superneurons.activations.site import Site
from superneurons.amplify.amplification import amplified
from superneurons.amplify.language import LanguageModel, language_model
from superneurons.amplify.neurons import (
    TaskNeurons,
    all_differences,
    differences,
    find_neurons,
    from_classifier,
    mlp_activations,
    strongest,
)
from superneurons.errors import DataError
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import probing_set
from superneurons.vlm.model import VLM
from tiny_language_models import WIDTH
from tiny_models import LAYERS

SUMS = ["1 + 1 =", "2 + 5 =", "3 + 4 ="]
OTHERS = ["once upon", "the cat sat on", "a"]


def test_activations_are_the_input_of_the_down_projection(model: LanguageModel) -> None:
    found = mlp_activations(model, SUMS + OTHERS, batch_size=4)
    assert found.shape == (6, LAYERS, WIDTH)
    assert found.dtype == np.float32
    seen: list[torch.Tensor] = []
    handle = model.mlp(2).register_forward_pre_hook(lambda _, args: seen.append(args[0][0, -1]))
    model.last_logits(OTHERS[1:2])
    handle.remove()
    np.testing.assert_allclose(found[4, 1], seen[0].numpy(), atol=1e-4)
    with pytest.raises(DataError, match="no prompts"):
        mlp_activations(model, [])


def test_scores_by_hand() -> None:
    task = np.array([[1.0, -4.0, 2.0], [3.0, -6.0, 2.0]])
    control = np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 2.0]])
    assert differences(task, control).tolist() == [1.0, -7.0, 0.0]
    assert differences(task, control, "standardised").tolist() == [1.0, -7.0, 0.0]
    assert differences(2 * task, 2 * control, "standardised").tolist() == [1.0, -7.0, 0.0]
    assert differences(task, control, "magnitude").tolist() == [1.0, 3.0, 0.0]


def test_a_neuron_that_fires_for_the_task_is_found() -> None:
    rng = np.random.default_rng(0)
    task, control = rng.normal(size=(2, 40, LAYERS, WIDTH))
    task[:, 1, [7, 30]] += [3.0, 5.0]
    for scoring in ("difference", "standardised", "magnitude"):
        scores = differences(task, control, scoring)  # type: ignore[arg-type]
        found = strongest(scores, 2, 2, task="t", model="m", found=scoring)
        assert found.columns.tolist() == [30, 7]
        assert found.scores[0] > found.scores[1] > 1.0


def test_what_cannot_be_scored_is_all_listed() -> None:
    with pytest.raises(DataError) as caught:
        differences(np.full((2, 3), np.nan), np.zeros((0, 3)), "other")  # type: ignore[arg-type]
    places = [problem.where for problem in caught.value.problems]
    assert places == ["control prompts", "task prompts", "scoring"]


def test_without_control_prompts_nothing_runs(llama: LanguageModel) -> None:
    with pytest.raises(DataError, match="control prompts: none"):
        all_differences(llama, SUMS, [])
    with pytest.raises(DataError) as caught:
        find_neurons(llama, [], [], 1)
    assert len(caught.value.problems) == 2


def test_neurons_are_found_and_amplified(model: LanguageModel) -> None:
    scores = all_differences(model, SUMS, OTHERS, batch_size=2)
    found = find_neurons(model, SUMS, OTHERS, 2, count=5, task="sums", batch_size=2)
    assert found.columns.tolist() == np.argsort(-scores[1])[:5].tolist()
    assert np.array_equal(found.scores, scores[1, found.columns])
    assert (found.layer, found.task, found.found, len(found)) == (2, "sums", "difference", 5)
    how = found.amplification(2.0, count=3, position="all")
    assert how.columns == tuple(found.columns[:3].tolist())
    assert how.model == model.fingerprint
    with amplified(model, how):
        model.last_logits(SUMS)


def test_more_neurons_than_there_are_cannot_be_had(llama: LanguageModel) -> None:
    found = find_neurons(llama, SUMS, OTHERS, 1, count=2)
    for count in (0, 3):
        with pytest.raises(DataError, match=f"{count} neurons of 2"):
            found.amplification(2.0, count)
    for layer, count in ((1, WIDTH + 1), (1, 0)):
        with pytest.raises(DataError, match=f"no {count} neurons in layer {layer}"):
            find_neurons(llama, SUMS, OTHERS, layer, count=count)
    with pytest.raises(DataError, match="no layer 9"):
        find_neurons(llama, SUMS, OTHERS, 9)
    for columns, scores in (([], []), ([1, 2], [0.5])):
        with pytest.raises(DataError, match="scores"):
            TaskNeurons(1, np.array(columns), np.array(scores), "t", "m", "f")


def fitted(vlm: VLM, site: str, **params: Any) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm, site=site, **params).fit(bright_records(24))


@pytest.mark.parametrize("read_out", ["super-neurons", "paper"])
def test_super_neurons_are_amplified(vlm: VLM, read_out: str) -> None:
    classifier = fitted(vlm, "mlp", read_out=read_out)
    found = from_classifier(classifier)
    named = {(own.layer, column) for own in found for column in own.columns.tolist()}
    assert named == {(neuron.layer, neuron.index) for neuron in classifier.neurons_}
    assert sum(map(len, found)) == len(named)
    for own in found:
        assert (np.diff(own.scores) <= 0).all()
        assert own.found == "classifier"
        with amplified(vlm, own.amplification(2.0)):
            language_model(vlm).last_logits(SUMS)


def test_the_heaviest_super_neuron_comes_first(llava: VLM) -> None:
    records = bright_records(24)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(24, LAYERS, WIDTH)).astype(np.float16)
    answer = np.array([1.0 if r.label == "yes" else -1.0 for r in records])
    values[:, 2, 5] = answer + 0.3 * values[:, 2, 5]
    classifier = SuperNeuronClassifier(llava, site="mlp")
    probing = probing_set(records, balanced=True, seed=0)
    classifier.fit_captured(probing, Captured({Site("mlp"): values}))
    best = max(from_classifier(classifier), key=lambda own: own.scores[0])
    assert (best.layer, best.columns[0]) == (3, 5)


def test_only_mlp_neurons_are_amplified(llava: VLM) -> None:
    with pytest.raises(DataError, match="reads residual"):
        from_classifier(fitted(llava, "residual"))
    with pytest.raises(NotFittedError):
        from_classifier(SuperNeuronClassifier(llava))
