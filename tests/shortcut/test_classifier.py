from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from pictures import bright_records, coloured
from superneurons.activations.capture import capture
from superneurons.errors import DataError, ModelError
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def fitted(vlm: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm).fit(bright_records(40))


def test_it_learns_an_easy_question(fitted: SuperNeuronClassifier) -> None:
    assert fitted.score(bright_records(20, seed=1)) >= 0.9
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert 1 <= fitted.exit_layer_ <= 4
    assert fitted.exit_layer_ == max(neuron.layer for neuron in fitted.neurons_)


def test_probabilities_agree_with_the_labels(fitted: SuperNeuronClassifier) -> None:
    records = bright_records(10, seed=2)
    shares = fitted.predict_proba(records)
    assert shares.shape == (10, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.classes_[shares.argmax(axis=1)], fitted.predict(records))


def test_answers_come_in_order_with_all_that_belongs_to_them(
    fitted: SuperNeuronClassifier,
) -> None:
    records = bright_records(5, seed=2)
    answers = list(fitted.answers(records))
    assert [answer.id for answer in answers] == [record.id for record in records]
    for answer in answers:
        assert answer.confidence == max(answer.probabilities.values())
        assert answer.exit_layer == fitted.exit_layer_
        assert answer.latency_ms > 0


@pytest.mark.parametrize("size", [1, 3, 16])
def test_labels_do_not_depend_on_the_batch_size(fitted: SuperNeuronClassifier, size: int) -> None:
    records = bright_records(16, seed=4)
    expected = fitted.predict(records)
    other = clone(fitted).set_params(batch_size=size).fit(bright_records(40))
    np.testing.assert_array_equal(other.predict(records), expected)


def test_no_layer_after_the_exit_runs(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = SuperNeuronClassifier(vlm, max_layer=2).fit(bright_records(20))
    assert classifier.exit_layer_ <= 2

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a later layer ran")

    for layer in vlm.layers[2:]:
        monkeypatch.setattr(layer, "forward", fail)
    monkeypatch.setattr(vlm.model.get_output_embeddings(), "forward", fail)
    assert len(classifier.predict(bright_records(3))) == 3
    SuperNeuronClassifier(vlm, max_layer=2).fit(bright_records(20))  # nor while fitting


def test_answering_from_stored_activations_is_the_same(
    vlm: VLM, fitted: SuperNeuronClassifier
) -> None:
    records = bright_records(12, seed=5)
    answers = fitted.answer_captured(records, capture(vlm, records))
    assert [answer.label for answer in answers] == fitted.predict(records).tolist()


@pytest.mark.parametrize("options", [False, True])
def test_more_than_two_answers(vlm: VLM, options: bool) -> None:
    classifier = SuperNeuronClassifier(vlm).fit(coloured(24, options))
    records = coloured(6, options)
    for record, answer in zip(records, classifier.answers(records), strict=True):
        assert set(answer.probabilities) == set(record.options or classifier.classes_)
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.label in answer.probabilities
    if options:
        with pytest.raises(DataError, match="options differ"):
            classifier.predict_proba(records)
    else:
        assert classifier.predict_proba(records).shape == (6, 3)


@pytest.mark.parametrize("read_out", ["super-neurons", "logistic", "knn"])
def test_any_read_out_can_be_taken_by_name(vlm: VLM, read_out: str, tmp_path: Path) -> None:
    fitted = SuperNeuronClassifier(vlm, read_out=read_out).fit(bright_records(30))
    records = bright_records(12, seed=1)
    assert fitted.score(records) >= 0.9
    fitted.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm)
    np.testing.assert_array_equal(loaded.predict(records), fitted.predict(records))


def test_labels_can_be_given_apart(vlm: VLM) -> None:
    bare = [replace(record, label=None) for record in bright_records(20)]
    given = [str(record.label) for record in bright_records(20)]
    apart = SuperNeuronClassifier(vlm).fit(bare, given)
    together = SuperNeuronClassifier(vlm).fit(bright_records(20))
    assert apart.neurons_ == together.neurons_
    with pytest.raises(DataError, match="20 records, but 3 labels"):
        SuperNeuronClassifier(vlm).fit(bare, given[:3])


def test_stored_activations_give_the_same_classifier(vlm: VLM, tmp_path: Path) -> None:
    plain = SuperNeuronClassifier(vlm).fit(bright_records(20))
    stored = SuperNeuronClassifier(vlm, activations=tmp_path / "a").fit(bright_records(20))
    assert stored.neurons_ == plain.neurons_


def test_a_layer_that_is_not_there_is_refused(vlm: VLM) -> None:
    with pytest.raises(ModelError, match="layer 9"):
        SuperNeuronClassifier(vlm, max_layer=9).fit(bright_records(8))


def test_an_unfitted_one_says_so(vlm: VLM) -> None:
    with pytest.raises(NotFittedError):
        SuperNeuronClassifier(vlm).predict(bright_records(2))


def test_scikit_learn_manners(vlm: VLM) -> None:
    classifier = SuperNeuronClassifier.from_model(vlm, max_layer=2)
    assert clone(classifier).get_params()["max_layer"] == 2
    assert clone(classifier).model is vlm
    assert "max_layer=2" in repr(classifier)


def test_a_model_given_by_name_is_opened_once(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from superneurons.shortcut import classifier as module

    opened: list[str] = []

    def counting(name: str, **options: object) -> VLM:
        from superneurons.vlm.opening import open_vlm

        opened.append(name)
        return open_vlm(name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "open_vlm", counting)
    classifier = SuperNeuronClassifier(str(llava_path), device="cpu").fit(bright_records(8))
    classifier.predict(bright_records(2))
    assert opened == [str(llava_path)]


def test_the_order_of_records_does_not_matter(llava: VLM) -> None:
    records = bright_records(24)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0)).tolist()
    one = SuperNeuronClassifier(llava, batch_size=1).fit(records)
    two = SuperNeuronClassifier(llava, batch_size=1).fit([records[i] for i in order])
    assert one.neurons_ == two.neurons_
