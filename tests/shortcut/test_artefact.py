from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pictures import bright_records, choices, shades
from superneurons.activations.site import Site
from superneurons.errors import ArtefactError, MismatchError, ModelError, OutputError
from superneurons.probes.registry import READ_OUTS
from superneurons.shortcut.artefact import check_output, read_config
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.form import Multiclass
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_models import save_llava

IN_CLASSIFIERS = sorted(READ_OUTS.keys() - {"logits", "calibrated-logits"})


@pytest.fixture
def saved(llava: VLM, tmp_path: Path) -> Path:
    SuperNeuronClassifier(llava).fit(bright_records(24)).save_pretrained(tmp_path / "clf")
    return tmp_path / "clf"


@pytest.mark.parametrize("multiclass", ["native", "unrolled"])
@pytest.mark.parametrize("kind", ["yes/no", "labels", "options"])
def test_what_is_loaded_answers_as_what_was_saved(
    vlm: VLM, tmp_path: Path, kind: str, multiclass: Multiclass
) -> None:
    records = {"yes/no": bright_records, "labels": shades, "options": choices}[kind](24)
    fitted = SuperNeuronClassifier(vlm, multiclass=multiclass, max_layer=3).fit(records)
    fitted.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm)
    for one, two in zip(fitted.answers(records), loaded.answers(records), strict=True):
        assert one.probabilities == two.probabilities
        assert one.label == two.label
    assert loaded.get_params() | {"model": 0} == fitted.get_params() | {"model": 0}
    assert loaded.neurons_ == fitted.neurons_
    assert loaded.form_ == fitted.form_


@pytest.mark.parametrize("read_out", IN_CLASSIFIERS)
@pytest.mark.parametrize("n_labels", [2, 3])
def test_every_read_out_comes_back_the_same(
    llava: VLM, tmp_path: Path, read_out: str, n_labels: int
) -> None:
    make = bright_records if n_labels == 2 else shades
    fitted = SuperNeuronClassifier(llava, read_out=read_out).fit(make(30))
    assert fitted.form_ == ("unrolled" if (read_out, n_labels) == ("paper", 3) else "direct")
    fitted.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", llava)
    records = make(12, seed=1)
    assert loaded.predict(records).tolist() == fitted.predict(records).tolist()
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    loaded.save_pretrained(tmp_path / "again")
    for file in (tmp_path / "clf").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    "site", ["mlp", "heads", "vision", "projector", "residual@first_generated"]
)
def test_the_site_is_kept(vlm: VLM, tmp_path: Path, site: str) -> None:
    where = Site.parse(site)
    fitted = SuperNeuronClassifier(vlm, site=where.kind, position=where.position)
    fitted.fit(bright_records(24)).save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm)
    records = bright_records(8, seed=1)
    assert (loaded.site_, loaded.exit_layer_) == (where, fitted.exit_layer_)
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    stops = "runs no decoder layer" if fitted.exit_layer_ == 0 else "stops it after decoder layer"
    assert stops in (tmp_path / "clf" / "README.md").read_text()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("site.kind", "mlp", "site.width: mlp is 64 wide"),
        ("site.kind", "vision", "exit_layer: the neurons need 0"),
        ("site.kind", "spleen", "no site 'spleen'"),
        ("site.position", "yesterday", "no site 'residual' at 'yesterday'"),
        ("site.position", "first_generated", "exit_layer: the neurons need 4"),
        ("site.width", 16, "site.width: residual is 32 wide"),
        ("site.width", "32", "site.width: is '32', not of type int"),
        ("exit_layer", 3, "exit_layer: the neurons need 1"),
    ],
)
def test_another_site_is_refused(
    llava: VLM, tmp_path: Path, path: str, value: Any, message: str
) -> None:
    SuperNeuronClassifier(llava, max_layer=1).fit(bright_records(16)).save_pretrained(
        tmp_path / "clf"
    )
    tamper(tmp_path / "clf", path, value)
    with pytest.raises(ArtefactError) as caught:
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", llava)
    # another exit layer is another fingerprint, which is found first
    assert message in str(caught.value) or "fingerprint" in str(caught.value)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("form", "direct"),
        ("form", "unrolled"),
        ("labels", ["dark", "pale"]),
        ("read_out.classes", ["a", "b", "c"]),
        ("read_out.classes", ["B", "A", "C"]),
    ],
)
def test_letters_belong_to_options_of_the_records(
    llava: VLM, tmp_path: Path, path: str, value: Any
) -> None:
    fitted = SuperNeuronClassifier(llava, max_layer=1).fit(choices(36))
    fitted.save_pretrained(tmp_path / "clf")
    tamper(tmp_path / "clf", path, value)
    with pytest.raises(ArtefactError, match="contradict") as caught:
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", llava)
    assert {problem.where for problem in caught.value.problems} <= {"form", "read_out.classes"}


def test_the_model_is_found_by_name(saved: Path, llava: VLM) -> None:
    loaded = SuperNeuronClassifier.from_pretrained(saved, device="cpu")
    assert loaded.vlm.name == llava.name
    assert loaded.vlm is not llava


def by_name(model: VLM, directory: Path, **settings: Any) -> SuperNeuronClassifier:
    """A classifier that names its model, fitted and saved."""
    fitted = SuperNeuronClassifier(model.name, device="cpu", **settings).fit(bright_records(24))
    fitted.save_pretrained(directory)
    return fitted


def test_only_what_runs_of_the_model_is_opened(vlm: VLM, tmp_path: Path) -> None:
    fitted = by_name(vlm, tmp_path / "clf", max_layer=2)
    records = bright_records(8, seed=1)
    expected = fitted.predict_proba(records).tolist()
    found = {}
    for whole in (False, True):
        loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu", whole=whole)
        assert loaded.predict_proba(records).tolist() == expected
        found[whole] = loaded.vlm.depth
        loaded.save_pretrained(tmp_path / "again", overwrite=True)
        for file in (tmp_path / "clf").iterdir():
            assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    assert found == {False: fitted.exit_layer_, True: 4}


def test_a_model_that_is_given_is_used_as_it_is(vlm: VLM, tmp_path: Path) -> None:
    fitted = by_name(vlm, tmp_path / "clf", max_layer=2)
    for given in (vlm, open_vlm(vlm.name, device="cpu", depth=2)):
        loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", given)
        assert loaded.vlm is given
        records = bright_records(8, seed=1)
        assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    shallow = open_vlm(vlm.name, device="cpu", depth=fitted.exit_layer_ - 1)
    with pytest.raises(MismatchError) as caught:
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", shallow)
    assert "base_model.layers" in [problem.where for problem in caught.value.problems]


def test_a_generated_token_needs_the_whole_model(llava: VLM, tmp_path: Path) -> None:
    by_name(llava, tmp_path / "clf", position="first_generated", max_layer=1)
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert loaded.vlm.depth == 4
    assert len(loaded.predict(bright_records(4))) == 4


def test_what_was_loaded_can_be_fitted_again(llava: VLM, tmp_path: Path) -> None:
    by_name(llava, tmp_path / "clf", max_layer=1)
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert loaded.vlm.depth == 1
    loaded.set_params(max_layer=None).fit(bright_records(24))
    fresh = SuperNeuronClassifier(llava).fit(bright_records(24))
    assert loaded.vlm.depth == 4
    assert loaded.neurons_ == fresh.neurons_


def test_another_model_under_the_name_is_refused(llava: VLM, tmp_path: Path) -> None:
    by_name(llava, tmp_path / "clf", max_layer=2)
    other = save_llava(tmp_path / "other", seed=5)
    with pytest.raises(MismatchError) as caught:
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", str(other), device="cpu")
    assert [p.where for p in caught.value.problems] == ["base_model.fingerprint"]


def test_a_model_under_the_name_that_is_too_shallow_is_refused(llava: VLM, tmp_path: Path) -> None:
    exit_layer = by_name(llava, tmp_path / "clf").exit_layer_
    other = save_llava(tmp_path / "other", layers=exit_layer - 1)
    with pytest.raises(ModelError, match=f"it has {exit_layer - 1}") as caught:
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", str(other), device="cpu")
    assert "not fitted on this one" in str(caught.value.mend)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("exit_layer", 0),
        ("exit_layer", -1),
        ("exit_layer", 99),
        ("site.kind", "vision"),
        ("site.position", "first_generated"),
    ],
)
def test_a_changed_depth_is_refused_whatever_is_opened(
    llava: VLM, tmp_path: Path, path: str, value: Any
) -> None:
    by_name(llava, tmp_path / "clf", max_layer=2)
    tamper(tmp_path / "clf", path, value)
    with pytest.raises(ArtefactError) as caught:
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert caught.value.mend


@pytest.mark.parametrize("kind", ["residual", "mlp", "heads"])
def test_a_site_of_decoder_layers_does_not_pass_for_one_of_pictures(
    llava: VLM, tmp_path: Path, kind: str
) -> None:
    by_name(llava, tmp_path / "clf", site="vision")
    tamper(tmp_path / "clf", "site.kind", kind)
    with pytest.raises(ArtefactError, match="contradict") as caught:
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert "exit_layer" in [problem.where for problem in caught.value.problems]


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
    told = {problem.where: problem.what for problem in caught.value.problems}
    assert told["base_model.dtype"] == "fitted on 'float32', this one has 'float16'"
    assert told["base_model.processor"].startswith("image_std: fitted on [")
    assert "image_mean" not in told["base_model.processor"]


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


def tamper(directory: Path, path: str, value: Any) -> None:
    """Set one field of the configuration; a dotted path."""
    config = json.loads((directory / "config.json").read_text())
    *way, last = path.split(".")
    inner = config
    for name in way:
        inner = inner[name]
    inner[last] = value
    (directory / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", 999),
        ("format", "1"),
        ("base_model.family", "BLIP"),
        ("base_model.dtype", "float16"),
        ("base_model.hidden_size", 64),
        ("base_model.fingerprint", "0" * 64),
        ("base_model.processor", {}),
        ("base_model.processor.image_mean", [0, 0, 0]),
        ("base_model", None),
        ("prompt.sha256", "0" * 64),
        ("prompt.order", 1),
        ("labels", ["no", "maybe"]),
        ("labels", ["yes", "no"]),
        ("labels", []),
        ("labels", "no, yes"),
        ("form", 0),
        ("form", "sideways"),
        ("form", "lettered"),
        ("form", "unrolled"),
        ("question", ["Is it bright?"]),
        ("read_out.name", "logistic"),
        ("read_out.name", None),
        ("read_out.classes", ["no"]),
        ("read_out.classes", ["no", "yes", "maybe"]),
        ("read_out.classes", ["no", "maybe"]),
        ("read_out.values", {}),
        ("read_out.values.parameters", {"depth": 3}),
        ("read_out.values.n_features_in_", 4096),
        ("exit_layer", 0),
        ("exit_layer", -1),
        ("exit_layer", 99),
        ("exit_layer", 2.5),
        ("settings", []),
        ("site.kind", 3),
    ],
)
def test_a_changed_field_is_refused_with_its_place(
    saved: Path, llava: VLM, path: str, value: Any
) -> None:
    tamper(saved, path, value)
    with pytest.raises(ArtefactError) as caught:
        SuperNeuronClassifier.from_pretrained(saved, llava)
    assert caught.value.mend
    assert caught.value.where or caught.value.problems


def test_another_prompt_order_in_the_settings_is_refused(saved: Path, llava: VLM) -> None:
    tamper(saved, "settings.prompt_order", "question-first")
    with pytest.raises(MismatchError) as caught:
        SuperNeuronClassifier.from_pretrained(saved, llava)
    assert [problem.where for problem in caught.value.problems] == ["prompt"]


@pytest.mark.parametrize("field", ["versions", "base_model", "prompt", "labels", "read_out"])
def test_a_missing_field_is_named(saved: Path, field: str) -> None:
    config = json.loads((saved / "config.json").read_text())
    del config[field]
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtefactError) as caught:
        read_config(saved)
    assert [(p.where, p.what) for p in caught.value.problems] == [
        (f"config.json: {field}", "missing")
    ]


@pytest.mark.parametrize(
    "neurons",
    [
        [[1, 999]],
        [[1, -1]],
        [[0, 3]],
        [[99, 0]],
        [[1, 2, 3]],
        [],
    ],
)
def test_neurons_that_are_not_there_are_refused(
    saved: Path, llava: VLM, neurons: list[list[int]]
) -> None:
    path = saved / "classifier.safetensors"
    tensors = load_file(path)
    n = len(tensors["neurons"])
    width = len(neurons[0]) if neurons else 2
    changed = np.array(neurons * n if neurons else [], dtype=np.int64).reshape(-1, width)
    save_file({**tensors, "neurons": changed}, path)
    with pytest.raises(ArtefactError):
        SuperNeuronClassifier.from_pretrained(saved, llava)


@pytest.mark.parametrize("read_out", IN_CLASSIFIERS)
def test_a_lost_tensor_is_refused(llava: VLM, tmp_path: Path, read_out: str) -> None:
    fitted = SuperNeuronClassifier(llava, read_out=read_out, max_layer=2).fit(bright_records(24))
    fitted.save_pretrained(tmp_path / "clf")
    path = tmp_path / "clf" / "classifier.safetensors"
    tensors = load_file(path)
    for lost in tensors:
        save_file({name: value for name, value in tensors.items() if name != lost}, path)
        with pytest.raises(ArtefactError):
            SuperNeuronClassifier.from_pretrained(tmp_path / "clf", llava)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_remembered(llava: VLM, tmp_path: Path, dtype: str) -> None:
    half = open_vlm(llava.name, device="cpu", dtype=dtype)
    fitted = SuperNeuronClassifier(half).fit(bright_records(40))
    assert fitted.score(bright_records(20, seed=1)) >= 0.85
    fitted.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert loaded.vlm.dtype == half.dtype
    records = bright_records(8, seed=2)
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    with pytest.raises(MismatchError) as caught:
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", llava)
    assert "base_model.dtype" in [problem.where for problem in caught.value.problems]


def test_the_prompt_order_is_kept_and_another_is_refused(vlm: VLM, tmp_path: Path) -> None:
    records = bright_records(24)
    fitted = SuperNeuronClassifier(vlm, prompt_order="question-first").fit(records)
    fitted.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm)
    assert loaded.prompt_order == "question-first"
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    with pytest.raises(MismatchError, match="prompt"):
        SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm, prompt_order="picture-first")


def test_a_template_is_kept_and_another_is_refused(vlm: VLM, tmp_path: Path) -> None:
    records, template = bright_records(24), "{pictures}Q: {question} {A}:"
    fitted = SuperNeuronClassifier(vlm, prompt_template=template).fit(records)
    fitted.save_pretrained(tmp_path / "clf")
    stored = read_config(tmp_path / "clf")["prompt"]
    assert stored["template"] == template
    assert stored["frame"].endswith("Q: {question} {A}:")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm)
    assert loaded.prompt_template == template
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    for other in (None, template + " "):
        with pytest.raises(MismatchError, match="prompt"):
            SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm, prompt_template=other)


def test_an_artefact_from_before_there_were_templates_is_read(saved: Path, llava: VLM) -> None:
    config = json.loads((saved / "config.json").read_text())
    del config["settings"]["prompt_template"], config["prompt"]["template"]
    (saved / "config.json").write_text(json.dumps(config))
    loaded = SuperNeuronClassifier.from_pretrained(saved, llava)
    assert loaded.prompt_template is None
    assert len(loaded.predict(bright_records(4))) == 4


def test_labels_and_questions_in_any_script_come_back(llava: VLM, tmp_path: Path) -> None:
    words = {"yes": "да – «светлая»", "no": "нет 🙂 / «тёмная»"}
    records = [
        replace(r, question="Картинка светлая? 亮吗?", label=words[str(r.label)])
        for r in bright_records(24)
    ]
    SuperNeuronClassifier(llava).fit(records).save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", llava)
    assert loaded.classes_.tolist() == sorted(words.values())
    assert loaded.question_ == "Картинка светлая? 亮吗?"
    assert loaded.score(records) >= 0.9
    assert "светлая" in (tmp_path / "clf" / "README.md").read_text(encoding="utf-8")


def test_a_moved_directory_loads_and_its_readme_is_not_needed(
    saved: Path, llava: VLM, tmp_path: Path
) -> None:
    records = bright_records(6, seed=1)
    before = SuperNeuronClassifier.from_pretrained(saved, llava).predict_proba(records)
    moved = tmp_path / "some where" / "größer"
    moved.parent.mkdir()
    saved.rename(moved)
    (moved / "README.md").unlink()
    after = SuperNeuronClassifier.from_pretrained(moved, llava).predict_proba(records)
    np.testing.assert_array_equal(before, after)


def test_saving_what_was_loaded_gives_the_same_bytes(
    saved: Path, llava: VLM, tmp_path: Path
) -> None:
    loaded = SuperNeuronClassifier.from_pretrained(saved, llava)
    loaded.save_pretrained(tmp_path / "again")
    for file in saved.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_what_a_read_out_lacks_is_listed(saved: Path, llava: VLM) -> None:
    tensors = load_file(saved / "classifier.safetensors")
    save_file({"neurons": tensors["neurons"]}, saved / "classifier.safetensors")
    with pytest.raises(ArtefactError) as caught:
        SuperNeuronClassifier.from_pretrained(saved, llava)
    assert caught.value.problems
    assert "ArtefactError(" not in str(caught.value)


def test_a_directory_of_something_else_is_no_damaged_classifier(llava_path: Path) -> None:
    with pytest.raises(ArtefactError, match="There is no classifier in") as caught:
        read_config(llava_path)
    assert caught.value.mend is not None
    assert "--out" in caught.value.mend


def test_a_damaged_configuration_is_told_from_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"There is no classifier in .*: No such file") as gone:
        read_config(tmp_path / "nowhere")
    assert "Errno" not in str(gone.value)
    (tmp_path / "config.json").write_text('{"cut off"')
    with pytest.raises(ArtefactError, match=r"config\.json here is no JSON") as cut:
        read_config(tmp_path)
    assert cut.value.where == str(tmp_path / "config.json")


@pytest.mark.parametrize("site", ["residual", "vision", "projector"])
def test_the_resolution_is_kept_and_another_is_refused(vlm: VLM, tmp_path: Path, site: str) -> None:
    fitted = by_name(vlm, tmp_path / "clf", resolution=16, site=site, max_layer=1)
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert (loaded.resolution, loaded.vlm.resolution) == (16, 16)
    records = bright_records(8, seed=1)
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    seen = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm.at_resolution(32))
    assert seen.vlm.resolution == 16
    for other in (32, None):
        with pytest.raises(MismatchError) as caught:
            SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm, resolution=other)
        (problem,) = caught.value.problems
        assert problem.where == "base_model.processor"
        assert "size." in problem.what
        assert "image_mean" not in problem.what


def test_an_artefact_from_before_there_were_resolutions_is_read(llava: VLM, tmp_path: Path) -> None:
    by_name(llava, tmp_path / "clf", max_layer=1)
    path = tmp_path / "clf" / "config.json"
    config = json.loads(path.read_text())
    del config["settings"]["resolution"]
    path.write_text(json.dumps(config))
    assert SuperNeuronClassifier.from_pretrained(tmp_path / "clf", llava).resolution is None


@pytest.mark.parametrize("position", ["image_mean", "image_max"])
def test_the_position_is_kept(vlm: VLM, tmp_path: Path, position: str) -> None:
    fitted = by_name(vlm, tmp_path / "clf", position=position, max_layer=2)
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert loaded.site_ == Site("residual", position)  # type: ignore[arg-type]
    assert loaded.vlm.depth == fitted.exit_layer_
    records = bright_records(8, seed=1)
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()


def test_of_the_tower_only_what_is_read_is_opened(llava: VLM, tmp_path: Path) -> None:
    fitted = by_name(llava, tmp_path / "clf", site="vision", max_layer=1)
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", device="cpu")
    assert (loaded.vlm.depth, loaded.vlm.shape("vision")[0]) == (0, 1)
    records = bright_records(8, seed=1)
    assert loaded.predict_proba(records).tolist() == fitted.predict_proba(records).tolist()
    loaded.save_pretrained(tmp_path / "again")
    for file in (tmp_path / "clf").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
