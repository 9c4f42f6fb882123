from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.exceptions import NotFittedError

from pictures import bright_records, shades
from superneurons.shortcut import base_model
from superneurons.shortcut.artefact import learnt, read_config
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_artefact import learnt_cascade, read_cascade_config
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.inspection import inspect_cascade, inspect_classifier
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def fitted(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava).fit(bright_records(24))


@pytest.fixture(scope="module")
def cascade(llava: VLM) -> Cascade:
    return Cascade(llava, layers=[1, 4], base_answer=False).fit(bright_records(48))


def test_it_tells_what_is_read(fitted: SuperNeuronClassifier) -> None:
    found = inspect_classifier(fitted)
    assert [(n.layer, n.column) for n in found.neurons] == [
        (n.layer, n.index) for n in fitted.neurons_
    ]
    assert sum(found.layers.values()) == len(fitted.neurons_)
    assert max(found.layers) == found.exit_layer == fitted.exit_layer_
    assert found.labels == ("no", "yes")
    assert (found.kind, found.position, found.form) == ("residual", "last_prompt", "direct")
    assert found.question == "Is it bright?"
    assert [n.weight for n in found.neurons] == fitted.read_out_.coef_[:, 0].tolist()  # type: ignore[attr-defined]
    assert found.cv_score == fitted.read_out_.cv_score_  # type: ignore[attr-defined]


def test_an_artefact_says_the_same_without_its_model(
    fitted: SuperNeuronClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save_pretrained(tmp_path / "clf")

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the model was opened")

    monkeypatch.setattr(base_model, "open_vlm", fail)
    config = read_config(tmp_path / "clf")
    found = inspect_classifier(learnt(SuperNeuronClassifier, config, tmp_path / "clf"))
    assert found == inspect_classifier(fitted)
    assert json.loads(json.dumps(found.as_dict()))["layers"][0]["neurons"] > 0


def test_votes_that_are_counted_weigh_1_and_have_no_cross_validation(llava: VLM) -> None:
    found = inspect_classifier(
        SuperNeuronClassifier(llava, read_out="paper").fit(bright_records(24))
    )
    assert {n.weight for n in found.neurons} == {1.0}
    assert found.cv_score is None


def test_of_three_labels_weights_are_lengths(llava: VLM) -> None:
    found = inspect_classifier(SuperNeuronClassifier(llava).fit(shades(30)))
    assert len(found.labels) == 3
    assert all(n.weight is not None and n.weight >= 0 for n in found.neurons)


def test_a_read_out_without_weights_has_none(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(llava, read_out="knn").fit(bright_records(24))
    assert {n.weight for n in inspect_classifier(classifier).neurons} == {None}


def test_before_fit_there_is_nothing_to_tell(llava: VLM) -> None:
    with pytest.raises(NotFittedError):
        inspect_classifier(SuperNeuronClassifier(llava))
    with pytest.raises(NotFittedError):
        inspect_cascade(Cascade(llava))


def test_a_cascade_tells_its_stages(cascade: Cascade, tmp_path: Path) -> None:
    found = inspect_cascade(cascade)
    assert [stage["layer"] for stage in found["stages"]] == [1, 4]
    for told, stage in zip(found["stages"], cascade.stages_, strict=True):
        assert told["neurons"] == len(stage.neurons) == sum(x["neurons"] for x in told["layers"])
    assert sum(stage["share"] for stage in found["stages"]) == pytest.approx(1)
    cascade.save_pretrained(tmp_path / "cascade")
    config = read_cascade_config(tmp_path / "cascade")
    assert inspect_cascade(learnt_cascade(Cascade, config, tmp_path / "cascade")) == found


def test_a_stage_that_is_never_sure_enough_is_json_too(cascade: Cascade) -> None:
    from copy import copy

    never = copy(cascade)
    never.stages_ = (replace(cascade.stages_[0], threshold=float("inf")), *cascade.stages_[1:])
    found = inspect_cascade(never)
    assert found["stages"][0]["threshold"] is None
    json.dumps(found, allow_nan=False)
