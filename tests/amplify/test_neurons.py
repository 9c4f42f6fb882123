from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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
from superneurons.errors import DataError, ModelError
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


def by_loop(task: np.ndarray, control: np.ndarray, scoring: str) -> list[float]:
    """The scores of one layer, a neuron at a time."""
    found = []
    if scoring == "magnitude":
        task, control = abs(task), abs(control)
    for a, b in zip(task.T.tolist(), control.T.tolist(), strict=True):
        one, other = sum(a) / len(a), sum(b) / len(b)
        score = one - other
        if scoring == "standardised":
            squares = sum((v - one) ** 2 for v in a) + sum((v - other) ** 2 for v in b)
            score /= (squares / (len(a) + len(b))) ** 0.5
        found.append(score)
    return found


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 7),
    m=st.integers(2, 7),
    scoring=st.sampled_from(["difference", "standardised", "magnitude"]),
)
def test_scores_are_those_of_a_loop_whatever_the_order(
    seed: int, n: int, m: int, scoring: Any
) -> None:
    rng = np.random.default_rng(seed)
    task, control = rng.normal(size=(n, 5)), rng.normal(loc=1, scale=3, size=(m, 5))
    found = differences(task, control, scoring)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, by_loop(task, control, scoring), atol=1e-9)
    mixed = differences(rng.permutation(task), rng.permutation(control), scoring)
    np.testing.assert_allclose(mixed, found, atol=1e-9)
    np.testing.assert_allclose(differences(control, task, scoring), -found, atol=1e-9)


def test_a_neuron_that_never_varies_has_no_standardised_score() -> None:
    task, control = np.array([[1.0, 2.0], [1.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 2.0]])
    assert differences(task, control, "standardised").tolist() == [0.0, 2.0]
    assert differences(task, control).tolist() == [1.0, 2.0]


def test_halves_of_precision_are_scored_in_whole() -> None:
    """60000 + 60000 is infinite in float16."""
    task, control = np.full((3, 2), 6e4, np.float16), np.zeros((1, 2), np.float16)
    assert differences(task, control).tolist() == [float(np.float16(6e4))] * 2


def test_of_equal_scores_the_first_neuron_is_taken() -> None:
    scores = np.array([[0.0, 5.0, 5.0, -9.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    found = strongest(scores, 1, 4, task="t", model="m", found="f")
    assert found.columns.tolist() == [1, 2, 4, 0]
    assert found.scores.tolist() == [5.0, 5.0, 5.0, 0.0]
    assert found.columns.dtype == np.int64
    # The last layer and all of its neurons can be had, and not one more of either.
    assert strongest(scores, 2, 5, task="t", model="m", found="f").columns[0] == 4
    for layer, count in ((0, 1), (3, 1), (1, 6), (1, 0)):
        with pytest.raises(DataError, match=f"no {count} neurons in layer {layer}") as caught:
            strongest(scores, layer, count, task="t", model="m", found="f")
        assert "from 1 to 2, and 1 to 5 neurons" in str(caught.value)


def test_neither_the_batch_nor_the_order_of_prompts_counts(model: LanguageModel) -> None:
    prompts = SUMS + OTHERS
    whole = mlp_activations(model, prompts)
    for size in (1, 5):
        np.testing.assert_allclose(
            mlp_activations(model, prompts, batch_size=size), whole, atol=1e-4
        )
    order = [4, 0, 5, 2, 1, 3]
    mixed = mlp_activations(model, [prompts[row] for row in order])
    np.testing.assert_allclose(mixed, whole[order], atol=1e-4)
    assert not np.allclose(whole[0], whole[1], atol=1e-3)


def test_reading_leaves_no_hook_even_when_a_pass_fails(llama: LanguageModel) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("in the middle")

    mlp_activations(llama, SUMS)
    handle = llama.layers[1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        mlp_activations(llama, SUMS)
    handle.remove()
    layers = range(1, LAYERS + 1)
    assert not any(llama.mlp(layer)._forward_pre_hooks for layer in layers)


def test_the_scoring_asked_for_is_the_one_used(llama: LanguageModel) -> None:
    task, control = (mlp_activations(llama, prompts) for prompts in (SUMS, OTHERS))
    for scoring in ("standardised", "magnitude"):
        found = all_differences(llama, SUMS, OTHERS, scoring=scoring)
        np.testing.assert_array_equal(found, differences(task, control, scoring))
        own = find_neurons(llama, SUMS, OTHERS, LAYERS, scoring=scoring)
        assert (own.found, own.task, len(own)) == (scoring, "task", 50)
        assert own.scores.tolist() == sorted(found[-1].tolist(), reverse=True)[:50]
        assert own.model == llama.fingerprint


def test_all_neurons_at_the_last_token_are_amplified_by_default() -> None:
    own = TaskNeurons(3, np.array([9, 2]), np.array([2.0, 1.0]), "t", "m", "f")
    how = own.amplification(1.5)
    assert (how.layer, how.columns, how.multiplier) == (3, (9, 2), 1.5)
    assert (how.position, how.model) == ("last", "m")
    assert own.amplification(1.5, 1).columns == (9,)
    with pytest.raises(DataError) as caught:
        own.amplification(1.5, 3)
    assert caught.value.where == "task 't', layer 3"
    with pytest.raises(DataError, match="2 neurons have 1 scores"):
        TaskNeurons(3, np.array([9, 2]), np.array([2.0]), "t", "m", "f")


@pytest.mark.parametrize("read_out", ["super-neurons", "paper"])
def test_a_super_neuron_scores_as_much_as_its_weights_are_large(llava: VLM, read_out: str) -> None:
    classifier = fitted(llava, "mlp", read_out=read_out)
    weights = getattr(classifier.read_out_, "coef_", None)
    found = from_classifier(classifier)
    assert [own.layer for own in found] == sorted({own.layer for own in found})
    scores = {
        (own.layer, column): score
        for own in found
        for column, score in zip(own.columns.tolist(), own.scores.tolist(), strict=True)
    }
    for row, neuron in enumerate(classifier.neurons_):
        wanted = 1.0 if weights is None else float(np.sqrt((np.asarray(weights[row]) ** 2).sum()))
        assert scores[neuron.layer, neuron.index] == pytest.approx(wanted)
    assert {own.task for own in found} == {"Is it bright?"}
    assert {own.model for own in found} == {language_model(llava).fingerprint}


def test_neurons_of_a_model_opened_in_part_are_refused(llava: VLM) -> None:
    classifier = fitted(llava, "mlp", max_layer=2)
    classifier.model = llava.truncated(2)
    with pytest.raises(ModelError):
        from_classifier(classifier)
