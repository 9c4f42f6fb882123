"""A checkpoint that doesn't load as it should is refused."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pictures import bright_records, murky
from superneurons.errors import ModelError
from superneurons.export.hf import export_hf
from superneurons.export.hf_check import SCORE, head_class, reloaded, reloaded_answers, score_of
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def classifier(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava, max_layer=1).fit(bright_records(24))


@pytest.fixture
def exported(classifier: SuperNeuronClassifier, tmp_path: Path) -> Path:
    export_hf(classifier, tmp_path / "out")
    return tmp_path / "out"


def changed(directory: Path, **tensors: torch.Tensor | None) -> None:
    path = directory / "model.safetensors"
    kept = load_file(path) | {name.replace("__", "."): value for name, value in tensors.items()}
    kept = {name: value for name, value in kept.items() if value is not None}
    save_file(kept, path, {"format": "pt"})


def test_answers_are_the_classifiers(exported: Path, classifier: SuperNeuronClassifier) -> None:
    records = bright_records(5, seed=3)
    found = reloaded_answers(exported, classifier, records)
    assert found.shape == (5, 2)
    assert (
        classifier.classes_[found.argmax(axis=1)].tolist() == classifier.predict(records).tolist()
    )
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_batches_are_put_together_in_order(
    classifier: SuperNeuronClassifier, tmp_path: Path
) -> None:
    records = [*murky(4, seed=3), bright_records(1)[0]]
    export_hf(classifier, tmp_path / "out", records=records)
    whole = reloaded_answers(tmp_path / "out", classifier, records)
    small = copy.copy(classifier).set_params(batch_size=2)
    parts = reloaded_answers(tmp_path / "out", small, records)
    assert len(np.unique(whole[:, 0])) == 5, "no two answers are alike"
    np.testing.assert_allclose(parts, whole, rtol=1e-3)
    shares = [list(one.probabilities.values()) for one in classifier.answers(records)]
    np.testing.assert_allclose(whole, shares, atol=0.1)


def test_a_weight_of_another_shape_is_refused(exported: Path) -> None:
    name = "language_model.model.norm.weight"
    changed(exported, **{name.replace(".", "__"): torch.ones(31)})
    with pytest.raises(ModelError, match="doesn't load as it should") as refused:
        reloaded(exported, torch.float32, "llava")
    (problem,) = refused.value.problems
    assert problem.where == "language_model.norm.weight", "as the loaded model calls it"
    assert problem.what == "wrong shape: (31,), should be (32,)"


def test_it_is_loaded_as_precise_as_it_is_wanted(exported: Path) -> None:
    for dtype in (torch.bfloat16, torch.float32):
        model = reloaded(exported, dtype, "llava")
        assert model.dtype == dtype
        assert not model.training


def test_a_weight_without_a_place_is_refused(exported: Path) -> None:
    changed(exported, language_model__model__layers__1__mlp__down_proj__weight=torch.ones(32, 64))
    with pytest.raises(ModelError, match="doesn't load as it should") as refused:
        reloaded(exported, torch.float32, "llava")
    assert [problem.what for problem in refused.value.problems] == ["has no place"]


def test_a_missing_weight_is_refused(exported: Path) -> None:
    changed(exported, language_model__model__norm__weight=None)
    with pytest.raises(ModelError) as refused:
        reloaded(exported, torch.float32, "llava")
    assert [problem.what for problem in refused.value.problems] == ["missing"]


def test_the_head_is_found_or_missed(exported: Path) -> None:
    assert score_of(exported).shape == (2, 32)
    changed(exported, score__weight=None)
    with pytest.raises(ModelError, match=f"no {SCORE}"):
        score_of(exported)


def test_families_with_a_class_of_their_own_are_known() -> None:
    assert head_class("gemma3") == "Gemma3ForSequenceClassification"
    assert head_class("llava") is None
