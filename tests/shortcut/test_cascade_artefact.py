from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.exceptions import NotFittedError

from pictures import bright_records, choices, murky, shades
from superneurons.errors import ArtefactError, MismatchError, OutputError
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_artefact import read_cascade_config
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_models import save_llava

FEW = {"read_out_params": {"max_neurons": 4}}


def going_on(model: VLM | str, records: list[Record], **params: Any) -> Cascade:
    """A fitted cascade in which records come to every stage."""
    cascade = Cascade(model, layers=[1, 3], random_state=1, **FEW, **params).fit(records)
    first, second, base = cascade.stages_
    cascade.stages_ = (replace(first, threshold=0.8), replace(second, threshold=0.9), base)
    return cascade


@pytest.fixture
def saved(llava: VLM, tmp_path: Path) -> Path:
    going_on(llava, murky(48)).save_pretrained(tmp_path / "cascade")
    return tmp_path / "cascade"


@pytest.mark.parametrize("make", [murky, shades, choices])
def test_what_is_loaded_answers_as_what_was_saved(
    vlm: VLM, tmp_path: Path, make: Callable[..., list[Record]]
) -> None:
    fitted = going_on(vlm, make(72))
    fitted.save_pretrained(tmp_path / "one")
    loaded = Cascade.from_pretrained(tmp_path / "one", vlm)
    records = make(12, seed=1)
    for one, two in zip(fitted.answers(records), loaded.answers(records), strict=True):
        assert (one.label, one.probabilities) == (two.label, two.probabilities)
        assert one.exit_layer == two.exit_layer
    assert loaded.get_params() | {"model": 0} == fitted.get_params() | {"model": 0}
    assert loaded.verified_ == fitted.verified_
    assert (loaded.target_, loaded.met_) == (fitted.target_, fitted.met_)
    loaded.save_pretrained(tmp_path / "two")
    for file in (tmp_path / "one").iterdir():
        assert (tmp_path / "two" / file.name).read_bytes() == file.read_bytes()


def test_a_stage_that_never_answers_comes_back(llava: VLM, tmp_path: Path) -> None:
    fitted = going_on(llava, murky(48))
    stages = list(fitted.stages_)
    stages[0] = replace(stages[0], threshold=float("inf"))
    fitted.stages_ = tuple(stages)
    fitted.save_pretrained(tmp_path / "cascade")
    assert Cascade.from_pretrained(tmp_path / "cascade", llava).stages_[0].threshold == np.inf


def test_only_the_layers_that_a_record_can_come_to_are_opened(
    llava_path: Path, tmp_path: Path
) -> None:
    Cascade(str(llava_path), layers=[1, 3]).fit(bright_records(48)).save_pretrained(tmp_path / "a")
    loaded = Cascade.from_pretrained(tmp_path / "a", str(llava_path), device="cpu")
    assert loaded.depth_ == 1
    assert loaded.vlm.depth == 1
    assert loaded.score(bright_records(10, seed=1)) == 1
    going_on(str(llava_path), murky(48)).save_pretrained(tmp_path / "b")
    assert Cascade.from_pretrained(tmp_path / "b", str(llava_path)).vlm.depth == 4


def test_the_card_says_where_it_stops_and_what_it_is_worth(saved: Path) -> None:
    text = (saved / "README.md").read_text()
    assert "layer 1, layer 3, the base model's own answer" in text
    assert "Cascade.from_pretrained" in text
    share = read_cascade_config(saved)["verified"]["accuracy"]
    assert f"{share:.1%} right" in text


def test_another_model_is_refused(saved: Path, tmp_path: Path) -> None:
    other = open_vlm(str(save_llava(tmp_path / "other", seed=1)), device="cpu")
    with pytest.raises(MismatchError, match="another model"):
        Cascade.from_pretrained(saved, other)


def test_a_change_in_the_head_is_noticed_where_it_answers(saved: Path, llava_path: Path) -> None:
    changed = open_vlm(str(llava_path), device="cpu")
    changed.model.get_output_embeddings().weight.data.add_(1)  # type: ignore[operator]
    with pytest.raises(MismatchError):
        Cascade.from_pretrained(saved, changed)


def test_another_prompt_is_refused(saved: Path, llava: VLM) -> None:
    with pytest.raises(MismatchError, match="fitted with"):
        Cascade.from_pretrained(saved, llava, prompt_order="question-first")


def test_a_template_is_kept_and_another_is_refused(llava: VLM, tmp_path: Path) -> None:
    fitted = going_on(llava, murky(48), prompt_template="{question} {pictures}:")
    fitted.save_pretrained(tmp_path / "one")
    loaded = Cascade.from_pretrained(tmp_path / "one", llava)
    records = murky(12, seed=1)
    assert loaded.prompt == fitted.prompt
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    with pytest.raises(MismatchError, match="prompt"):
        Cascade.from_pretrained(tmp_path / "one", llava, prompt_template=None)


def test_cascades_and_classifiers_are_told_apart(saved: Path, llava: VLM, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"holds a cascade.*\n.*\n.*Cascade.from_pretrained"):
        read_config(saved)
    SuperNeuronClassifier(llava).fit(bright_records(24)).save_pretrained(tmp_path / "one")
    with pytest.raises(ArtefactError, match="classifier with one exit"):
        Cascade.from_pretrained(tmp_path / "one", llava)


def test_one_may_take_the_place_of_the_other(saved: Path, llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava).fit(bright_records(24))
    with pytest.raises(OutputError, match="exists already"):
        fitted.save_pretrained(saved)
    fitted.save_pretrained(saved, overwrite=True)
    assert read_config(saved)["form"] == "direct"


def test_nothing_is_saved_before_fit(llava: VLM, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        Cascade(llava).save_pretrained(tmp_path / "cascade")
    assert not (tmp_path / "cascade").exists()


def test_missing_and_wrong_fields_are_all_listed(saved: Path, llava: VLM) -> None:
    config = json.loads((saved / "config.json").read_text())
    del config["stages"]
    config["target"]["met"] = "yes"
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtefactError) as caught:
        Cascade.from_pretrained(saved, llava)
    assert [problem.where for problem in caught.value.problems] == [
        "config.json: stages", "config.json: target.met",
    ]  # fmt: skip


def _deeper(config: Any, tensors: Any) -> None:
    tensors["0.neurons"][0] = (2, 0)


def _backwards(config: Any, tensors: Any) -> None:
    config["stages"][0]["layer"] = 4


def _unanswered(config: Any, tensors: Any) -> None:
    tensors["thresholds"][-1] = 0.5


def _other_labels(config: Any, tensors: Any) -> None:
    config["labels"] = ["no", "maybe"]


def _fewer_costs(config: Any, tensors: Any) -> None:
    config["costs"].pop()


def _base_not_at_the_end(config: Any, tensors: Any) -> None:
    config["stages"][2]["layer"] = 3


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (_deeper, "neurons"), (_backwards, "stages.layer"), (_unanswered, "thresholds"),
        (_other_labels, "form"), (_fewer_costs, "costs"), (_base_not_at_the_end, "stages.layer"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(
    saved: Path, llava: VLM, spoil: Callable[[Any, Any], None], place: str
) -> None:
    _rewrite(saved, spoil)
    with pytest.raises(ArtefactError, match="contradict") as caught:
        Cascade.from_pretrained(saved, llava)
    assert place in [problem.where for problem in caught.value.problems]


def _no_stages(config: Any, tensors: Any) -> None:
    config["stages"] = []


def _no_neurons(config: Any, tensors: Any) -> None:
    tensors["0.neurons"] = tensors["0.neurons"][:0]


def _unknown_read_out(config: Any, tensors: Any) -> None:
    config["stages"][1]["read_out"]["name"] = "oracle"


def _no_thresholds(config: Any, tensors: Any) -> None:
    del tensors["thresholds"]


def _nothing_learnt(config: Any, tensors: Any) -> None:
    del tensors["1.read_out.coef_"]


@pytest.mark.parametrize(
    "spoil", [_no_stages, _no_neurons, _unknown_read_out, _no_thresholds, _nothing_learnt]
)
def test_what_does_not_fit_together_is_refused(
    saved: Path, llava: VLM, spoil: Callable[[Any, Any], None]
) -> None:
    _rewrite(saved, spoil)
    with pytest.raises(ArtefactError):
        Cascade.from_pretrained(saved, llava)


def _rewrite(saved: Path, spoil: Callable[[Any, Any], None]) -> None:
    config = json.loads((saved / "config.json").read_text())
    tensors = dict(load_file(saved / "classifier.safetensors"))
    spoil(config, tensors)
    (saved / "config.json").write_text(json.dumps(config))
    save_file(tensors, saved / "classifier.safetensors")
