from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pictures import bright_records, coloured
from superneurons.errors import ArtefactError, MismatchError, OutputError
from superneurons.shortcut.artefact import check_output, read_config
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_models import save_llava


@pytest.fixture
def saved(llava: VLM, tmp_path: Path) -> Path:
    SuperNeuronClassifier(llava).fit(bright_records(24)).save_pretrained(tmp_path / "clf")
    return tmp_path / "clf"


@pytest.mark.parametrize("kind", ["yes/no", "labels", "options"])
def test_what_is_loaded_answers_as_what_was_saved(vlm: VLM, tmp_path: Path, kind: str) -> None:
    records = bright_records(24) if kind == "yes/no" else coloured(24, options=kind == "options")
    fitted = SuperNeuronClassifier(vlm, max_layer=3).fit(records)
    fitted.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm)
    for one, two in zip(fitted.answers(records), loaded.answers(records), strict=True):
        assert one.probabilities == two.probabilities
        assert one.label == two.label
    assert loaded.get_params() | {"model": 0} == fitted.get_params() | {"model": 0}
    assert loaded.neurons_ == fitted.neurons_


def test_the_model_is_found_by_name(saved: Path, llava: VLM) -> None:
    loaded = SuperNeuronClassifier.from_pretrained(saved, device="cpu")
    assert loaded.vlm.name == llava.name
    assert loaded.vlm is not llava


def test_it_is_small_and_has_no_code_in_it(saved: Path) -> None:
    assert sorted(p.name for p in saved.iterdir()) == [
        "README.md", "classifier.safetensors", "config.json",
    ]  # fmt: skip
    assert sum(p.stat().st_size for p in saved.iterdir()) < 20_000
    assert load_file(saved / "classifier.safetensors")["neurons"].dtype == np.int64


def test_the_same_fit_gives_the_same_bytes(saved: Path, llava: VLM, tmp_path: Path) -> None:
    SuperNeuronClassifier(llava).fit(bright_records(24)).save_pretrained(tmp_path / "again")
    for file in saved.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_it_says_what_it_belongs_to(saved: Path, llava: VLM) -> None:
    config = read_config(saved)
    assert config["base_model"]["name"] == llava.name
    assert config["question"] == "Is it bright?"
    assert config["prompt"]["frame"].count("{question}") == 1
    assert set(config["versions"]) == {"superneurons", "torch", "transformers"}


def test_another_model_is_refused(saved: Path, tmp_path: Path) -> None:
    other = open_vlm(str(save_llava(tmp_path / "other", seed=5)), device="cpu")
    with pytest.raises(MismatchError, match="another model") as caught:
        SuperNeuronClassifier.from_pretrained(saved, other)
    assert [p.where for p in caught.value.problems] == ["base_model.fingerprint"]


def test_everything_that_differs_is_said(saved: Path, llava: VLM) -> None:
    half = open_vlm(llava.name, device="cpu", dtype="float16")
    half.processor.image_processor.image_std = [1.0, 1.0, 1.0]
    template = half.processor.chat_template.replace("assistant", "helper")
    half.processor.chat_template = template
    half.processor.tokenizer.chat_template = template
    with pytest.raises(MismatchError) as caught:
        SuperNeuronClassifier.from_pretrained(saved, half)
    places = {problem.where for problem in caught.value.problems}
    assert places >= {"base_model.dtype", "base_model.processor", "prompt"}


def test_a_shallower_model_is_refused(saved: Path, tmp_path: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    config["exit_layer"] = 4
    (saved / "config.json").write_text(json.dumps(config))
    shallow = open_vlm(str(save_llava(tmp_path / "shallow", layers=2)), device="cpu")
    with pytest.raises(MismatchError, match="layers"):
        SuperNeuronClassifier.from_pretrained(saved, shallow)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", None),
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("classifier.safetensors", None),
        ("classifier.safetensors", b"\x80\x04K\x01."),
    ],
)
def test_a_damaged_artefact_is_refused(
    saved: Path, llava: VLM, file: str, content: bytes | None
) -> None:
    if content is None:
        (saved / file).unlink()
    else:
        (saved / file).write_bytes(content)
    with pytest.raises(ArtefactError) as caught:
        SuperNeuronClassifier.from_pretrained(saved, llava)
    assert caught.value.mend


def test_an_unknown_read_out_is_refused(saved: Path, llava: VLM) -> None:
    config = json.loads((saved / "config.json").read_text())
    config["read_out"]["name"] = "tea-leaves"
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtefactError, match="tea-leaves"):
        SuperNeuronClassifier.from_pretrained(saved, llava)


def test_a_directory_that_is_taken_is_left_alone(saved: Path, llava: VLM, tmp_path: Path) -> None:
    classifier = SuperNeuronClassifier(llava).fit(bright_records(12))
    before = (saved / "config.json").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        classifier.save_pretrained(saved)
    assert (saved / "config.json").read_bytes() == before
    classifier.save_pretrained(saved, overwrite=True)
    assert (saved / "config.json").read_bytes() != before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(OutputError, match="not overwritten"):
        classifier.save_pretrained(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_place_that_cannot_be_written_is_noticed_early(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        check_output(tmp_path / "file" / "clf")
    check_output(tmp_path / "new" / "clf")
    assert list((tmp_path / "new").iterdir()) == []
