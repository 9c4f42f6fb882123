"""What goes to the hub, and what stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fake_hub import FakeHub, Repo, fake_hub
from pictures import bright_records
from superneurons.errors import ArtefactError, DataError
from superneurons.evaluate.evaluation import evaluate_classifier
from superneurons.export.hub_contents import contents
from superneurons.report.gather import Origin, gather_eval
from superneurons.report.run import Run
from superneurons.report.store import write_run
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM

NAME = "some-owner/some-classifier"
BASE = "llava-hf/some-llava"


@pytest.fixture(scope="module")
def fitted(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(12))


@pytest.fixture(scope="module")
def measured(fitted: SuperNeuronClassifier) -> Run:
    found = evaluate_classifier(fitted, bright_records(8, seed=3), rivals=False)
    return gather_eval(found, fitted, Origin("pictures.jsonl", "superneurons eval …"))


@pytest.fixture
def saved(fitted: SuperNeuronClassifier, tmp_path: Path) -> Path:
    fitted.save_pretrained(tmp_path / "clf")
    return tmp_path / "clf"


@pytest.fixture(autouse=True)
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache") as hub:
        hub.repos[BASE] = Repo(licence="llama2")
        yield hub


def metadata(card: bytes) -> dict[str, object]:
    found = yaml.safe_load(card.decode().split("---\n", 2)[1])
    assert isinstance(found, dict)
    return found


def test_two_files_and_a_card_and_nothing_else(saved: Path) -> None:
    (saved / "secrets.env").write_text("TOKEN=…")
    (saved / "thumbs").mkdir()
    found = contents(saved, NAME, base_model=BASE)
    assert set(found.files) == {"config.json", "classifier.safetensors", "README.md"}
    assert found.stays == ("secrets.env", "thumbs")
    assert found.files["classifier.safetensors"] == (saved / "classifier.safetensors").read_bytes()
    assert not found.has_scores
    assert f'from_pretrained("{NAME}")' in found.files["README.md"].decode()


def test_a_base_model_on_a_disk_is_named_as_others_find_it(saved: Path, llava: VLM) -> None:
    with pytest.raises(DataError, match="Nobody else finds the base model") as caught:
        contents(saved, NAME)
    assert "--base-model" in str(caught.value)
    before = read_config(saved)
    config = json.loads(contents(saved, NAME, base_model=BASE).files["config.json"])
    assert config["base_model"] == before["base_model"] | {"name": BASE, "revision": None}
    assert {k: v for k, v in config.items() if k != "base_model"} == {
        k: v for k, v in before.items() if k != "base_model"
    }
    assert llava.name not in json.dumps(config)
    assert read_config(saved) == before


def test_what_is_named_well_goes_as_it_is(saved: Path) -> None:
    path = saved / "config.json"
    path.write_text(path.read_text().replace(read_config(saved)["base_model"]["name"], BASE))
    assert contents(saved, NAME).files["config.json"] == path.read_bytes()
    assert contents(saved, NAME, base_model=BASE).files["config.json"] == path.read_bytes()


def test_the_licence_is_the_base_models_where_it_is_known(saved: Path, hub: FakeHub) -> None:
    found = metadata(contents(saved, NAME, base_model=BASE).files["README.md"])
    assert found["license"] == "llama2"
    assert found["base_model"] == BASE
    hub.repos[BASE].licence = None
    assert "license" not in metadata(contents(saved, NAME, base_model=BASE).files["README.md"])
    unknown = contents(saved, NAME, base_model="some-owner/private-one").files["README.md"]
    assert "license" not in metadata(unknown)


def test_the_embedded_model_is_on_no_hub(saved: Path, hub: FakeHub) -> None:
    found = metadata(contents(saved, NAME, base_model="demo").files["README.md"])
    assert "base_model" not in found
    assert found["license"] == "apache-2.0"
    assert hub.asked == []


def test_scores_come_from_a_run_that_is_given_or_lies_beside(
    saved: Path, measured: Run, tmp_path: Path
) -> None:
    given = contents(
        saved, NAME, base_model=BASE, run=write_run(tmp_path, measured)
    )  # fmt: skip
    assert given.has_scores
    write_run(saved, measured)
    beside = contents(saved, NAME, base_model=BASE)
    assert beside.files["README.md"] == given.files["README.md"]
    assert beside.stays == ("run.json",)
    results = metadata(given.files["README.md"])["model-index"][0]["results"]  # type: ignore[index]
    assert results[0]["dataset"]["name"] == "pictures.jsonl"
    assert b"data:image" not in given.files["README.md"]


def test_a_fits_own_run_beside_it_tells_no_scores(saved: Path, measured: Run) -> None:
    write_run(saved, replace(measured, kind="fit"))
    assert not contents(saved, NAME, base_model=BASE).has_scores


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: replace(run, kind="compare"), "`compare`"),
        (lambda run: replace(run, setting={**run.setting, "fingerprint": "f00"}), "fingerprint"),
        (lambda run: replace(run, setting={**run.setting, "exit_layer": 3}), "exit_layer"),
        (lambda run: replace(run, setting={**run.setting, "read_out": "paper"}), "read_out"),
        (lambda run: replace(run, setting={**run.setting, "probing_records": 9}), "probing"),
        (lambda run: replace(run, setting={**run.setting, "prompt": "{}"}), "prompt"),
    ],
)
def test_a_run_of_another_classifier_is_refused(
    saved: Path, measured: Run, tmp_path: Path, change: Callable[[Run], Run], said: str
) -> None:
    path = write_run(tmp_path, change(measured))
    with pytest.raises(DataError) as caught:
        contents(saved, NAME, base_model=BASE, run=path)
    assert said in str(caught.value)


def test_a_run_that_is_none(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no run"):
        contents(saved, NAME, base_model=BASE, run=tmp_path / "nowhere.json")


def test_a_damaged_classifier_is_refused(saved: Path) -> None:
    (saved / "classifier.safetensors").write_bytes(b"pickled")
    with pytest.raises(ArtefactError, match="cannot be read"):
        contents(saved, NAME, base_model=BASE)


def test_a_cascade_has_figures_of_its_own(llava: VLM, measured: Run, tmp_path: Path) -> None:
    fitted = Cascade(llava, layers=(1, 2)).fit(bright_records(60))
    fitted.save_pretrained(tmp_path / "cascade")
    found = contents(tmp_path / "cascade", NAME, base_model=BASE)
    result = metadata(found.files["README.md"])["model-index"][0]["results"][0]  # type: ignore[index]
    assert result["metrics"][0]["value"] == fitted.verified_.accuracy
    assert str(fitted.verified_.records) in result["metrics"][0]["name"]
    with pytest.raises(DataError, match="cascade"):
        contents(tmp_path / "cascade", NAME, base_model=BASE, run=write_run(tmp_path, measured))
