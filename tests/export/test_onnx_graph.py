"""Pixels to probabilities as a module, before it is a graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pictures import murky
from superneurons.errors import DataError
from superneurons.export.onnx_graph import LeanNeurons, LeanOne, PlainNeurons, answer_graph
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_families import savers


def inputs(vlm: VLM, n: int = 1) -> dict[str, torch.Tensor]:
    return dict(vlm.encode(murky(n, seed=5)).tensors)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_layer": 3, "read_out_params": {"tolerance": None}},
        {"site": "mlp"},
        {"site": "heads", "read_out": "logistic"},
        {"position": "image_mean"},
        {"read_out": "paper"},
    ],
)
def test_any_batch_answers_as_the_classifier(llava: VLM, options: dict[str, Any]) -> None:
    classifier = SuperNeuronClassifier(llava, **{"max_layer": 2, **options}).fit(murky(60))
    graph = answer_graph(classifier, inputs(llava))
    assert graph.any_batch
    with torch.inference_mode():
        scores, shares = graph(inputs(llava, 6)["pixel_values"])
    expected = classifier.predict_proba(murky(6, seed=5))
    np.testing.assert_allclose(shares.numpy(), expected, atol=0.02)
    torch.testing.assert_close(scores.softmax(dim=1), shares)


def test_without_a_lean_pass_it_is_one_picture(tmp_path: Path) -> None:
    model = open_vlm(str(savers()["vipllava"](tmp_path / "model")), device="cpu")
    classifier = SuperNeuronClassifier(model, max_layer=2).fit(murky(60))
    graph = answer_graph(classifier, inputs(model))
    assert isinstance(graph.neurons, PlainNeurons)
    with torch.inference_mode():
        shares = graph(inputs(model)["pixel_values"])[1]
    np.testing.assert_allclose(
        shares.numpy(), classifier.predict_proba(murky(1, seed=5)), atol=0.02
    )


@pytest.mark.parametrize("options", [{}, {"position": "image_mean"}, {"site": "heads"}])
def test_pictures_of_any_shape_are_one_of_one_size(tmp_path: Path, options: dict[str, Any]) -> None:
    model = open_vlm(str(savers()["qwen3_vl"](tmp_path / "model")), device="cpu")
    classifier = SuperNeuronClassifier(model, max_layer=2, **options).fit(murky(60))
    graph = answer_graph(classifier, inputs(model))
    assert isinstance(graph.neurons, LeanOne)
    with torch.inference_mode():
        shares = graph(inputs(model)["pixel_values"])[1]
    np.testing.assert_allclose(
        shares.numpy(), classifier.predict_proba(murky(1, seed=5)), atol=0.02
    )


def test_what_needs_more_than_pixels_and_words_is_one_picture(tmp_path: Path) -> None:
    model = open_vlm(str(savers()["llava_next"](tmp_path / "model")), device="cpu")
    classifier = SuperNeuronClassifier(model, max_layer=1).fit(murky(40))
    given = inputs(model)
    assert "image_sizes" in given
    graph = answer_graph(classifier, given)
    assert not graph.any_batch
    with torch.inference_mode():
        shares = graph(given["pixel_values"])[1]
    np.testing.assert_allclose(
        shares.numpy(), classifier.predict_proba(murky(1, seed=5)), atol=0.02
    )


@pytest.mark.parametrize("site", ["vision", "projector"])
def test_what_is_read_before_the_decoder_has_no_graph(llava: VLM, site: str) -> None:
    classifier = SuperNeuronClassifier(llava, site=site, max_layer=1).fit(murky(40))
    with pytest.raises(DataError, match=f"site {site}") as refused:
        answer_graph(classifier, inputs(llava))
    assert refused.value.where == "site"


def test_a_model_in_half_precision_is_widened(llava_path: Path) -> None:
    half = open_vlm(str(llava_path), device="cpu", dtype="bfloat16")
    classifier = SuperNeuronClassifier(half, max_layer=1).fit(murky(40))
    given = {
        name: value.float() if value.is_floating_point() else value
        for name, value in inputs(half).items()
    }
    graph = answer_graph(classifier, given)
    assert isinstance(graph.neurons, LeanNeurons)
    with torch.inference_mode():
        values = graph.neurons(given["pixel_values"])
    assert graph.neurons.head.dtype == values.dtype == torch.float32
    assert not torch.equal(values, values.bfloat16().float()), "nothing was rounded to half"
    assert half.dtype == torch.bfloat16


@pytest.mark.parametrize("position", ["image_mean", "image_max"])
def test_other_positions_need_a_lean_pass(position: str, tmp_path: Path) -> None:
    model = open_vlm(str(savers()["vipllava"](tmp_path / "model")), device="cpu")
    classifier = SuperNeuronClassifier(model, max_layer=1, position=position).fit(murky(40))
    with pytest.raises(DataError, match=position):
        answer_graph(classifier, inputs(model))


def test_the_classifiers_own_model_stays_as_it_was(llava: VLM) -> None:
    before = replace(llava).model
    classifier = SuperNeuronClassifier(llava, max_layer=1).fit(murky(40))
    answer_graph(classifier, inputs(llava))
    assert llava.model is before
    assert llava.depth == llava.n_layers
    neurons = answer_graph(classifier, inputs(llava)).neurons
    assert isinstance(neurons, LeanNeurons)
    own = llava.model.get_input_embeddings().weight
    assert neurons.lean.vectors.data_ptr() == own.data_ptr(), "nothing is copied"
