from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pictures import bright_records, murky
from serve.fitted import WITHIN, bright, never_sure, quietly
from superneurons.errors import ArtefactError, DataError, MismatchError
from superneurons.serve.engine import ModelEngine
from superneurons.serve.jobs import Job
from superneurons.serve.loading import load_served
from superneurons.serve.settings import EngineSettings
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM
from tiny_models import save_llava


@pytest.fixture(scope="module")
def saved(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artefacts of several depths on one model."""
    place = tmp_path_factory.mktemp("artefacts")
    bright(llava, max_layer=1).save_pretrained(place / "shallow")
    deep = bright(llava, "Bright?", max_layer=3, read_out_params={"tolerance": None})
    deep.save_pretrained(place / "deep")
    bright(llava, site="vision", max_layer=1).save_pretrained(place / "vision")
    bright(llava, position="first_generated").save_pretrained(place / "generated")
    without = Cascade(llava, layers=[1, 2], base_answer=False)
    quietly(without, murky(60)).save_pretrained(place / "cascade")
    never_sure(quietly(Cascade(llava, layers=[1]), murky(60))).save_pretrained(place / "ending")
    return place


@pytest.mark.parametrize(
    ("names", "depth"),
    [(["shallow"], 1), (["shallow", "deep", "vision"], 3), (["vision"], 0), (["cascade"], None),
     (["shallow", "generated"], 4), (["ending"], 4)],
)  # fmt: skip
def test_the_model_is_opened_as_deep_as_the_deepest_needs(
    saved: Path, names: list[str], depth: int | None
) -> None:
    served = load_served([saved / name for name in names], device="cpu")
    if depth is None:
        cascade = served.estimators["cascade"]
        assert isinstance(cascade, Cascade)
        depth = cascade.depth_
    assert served.vlm.depth == depth
    assert list(served.estimators) == names
    assert served.about[names[0]]["base_model"] == served.vlm.name


@pytest.mark.parametrize(
    ("base", "thresholds", "whole"),
    [(None, {}, False), (True, {}, True), (None, {"shallow": 0.9}, True),
     (False, {"shallow": 0.9}, False)],
)  # fmt: skip
def test_the_whole_model_is_opened_only_where_it_is_wanted(
    saved: Path, base: bool | None, thresholds: dict[str, float], whole: bool
) -> None:
    settings = EngineSettings(base=base, thresholds=thresholds)
    served = load_served([saved / "shallow"], settings, device="cpu")
    assert (served.vlm.depth == served.vlm.n_layers) == whole


@pytest.mark.parametrize("name", ["generated", "ending"])
def test_what_reads_logits_or_the_answer_finds_the_head(saved: Path, llava: VLM, name: str) -> None:
    estimator = load_served([saved / name], device="cpu").estimators[name]
    own = load_served([saved / name], model=llava).estimators[name]
    records = bright_records(2)
    asked = [replace(record, question=str(estimator.question_)) for record in records]
    assert estimator.predict(asked).tolist() == own.predict(asked).tolist()


def test_a_model_that_is_open_is_not_opened_again(
    saved: Path, llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "superneurons.serve.loading.open_vlm", lambda *a, **k: pytest.fail("opened")
    )
    served = load_served([saved / "shallow"], model=llava, acceleration="off")
    assert served.vlm is llava
    (classifier,) = served.estimators.values()
    assert isinstance(classifier, SuperNeuronClassifier)
    assert classifier.acceleration == "off"


def test_the_artefacts_model_is_opened_as_it_was_and_another_as_it_comes(
    saved: Path, llava: VLM, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, dict[str, object]]] = []

    def note(name: str, **how: object) -> VLM:
        opened.append((name, how))
        return llava

    monkeypatch.setattr("superneurons.serve.loading.open_vlm", note)
    place = {"device": "cpu", "trust_remote_code": True, "preparation": "processor"}
    load_served([saved / "shallow"], **place)  # type: ignore[arg-type]
    load_served([saved / "shallow"], model="moved", **place)  # type: ignore[arg-type]
    load_served([saved / "shallow"], model=llava.name, **place)  # type: ignore[arg-type]
    own = (llava.name, {"depth": 1, "revision": None, "dtype": "float32", **place})
    assert opened == [own, ("moved", {"depth": 1, **place}), own]


def test_what_was_saved_answers(saved: Path) -> None:
    served = load_served([saved / "shallow", saved / "cascade"], device="cpu")
    engine = ModelEngine(served)
    (record,) = bright_records(1)
    assert engine.submit(Job(record.images, "shallow")).result(WITHIN).label == "no"
    fitted = engine.classifiers["shallow"]
    assert (fitted.question, fitted.labels) == ("Is it bright?", ("no", "yes"))
    assert (fitted.exit_layer, fitted.n_layers, fitted.threshold) == (1, 4, None)
    assert fitted.about["records"] == 24
    assert engine.classifiers["cascade"].exit_layer <= 2
    assert not engine.asks_base
    engine.drain(WITHIN)


@pytest.mark.parametrize("field", ["name", "revision", "dtype"])
def test_a_base_model_is_another_by_name_commit_or_precision(
    saved: Path, llava: VLM, tmp_path: Path, field: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(saved / "shallow", other)
    config = json.loads((other / "config.json").read_text())
    config["base_model"][field] = "float16" if field == "dtype" else "another"
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError) as caught:
        load_served([saved / "shallow", other], device="cpu")
    assert [problem.where for problem in caught.value.problems] == ["other"]
    if field == "name":  # whoever says where the model is knows that it moved
        served = load_served([saved / "shallow", other], model=llava)
        assert list(served.estimators) == ["shallow", "other"]


def test_every_artefact_that_is_damaged_is_named(saved: Path, llava: VLM, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(saved / "shallow", tmp_path / name)
        (weights,) = (tmp_path / name).glob("*.safetensors")
        weights.write_bytes(b"")
    with pytest.raises(ArtefactError) as caught:
        load_served([tmp_path / "one", saved / "shallow", tmp_path / "two"], model=llava)
    places = [problem.where.partition(":")[0] for problem in caught.value.problems]
    assert places == ["one", "two"]


def test_all_that_cannot_be_served_together_is_said_before_a_model_is_opened(
    saved: Path, llava: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "superneurons.serve.loading.open_vlm", lambda *a, **k: pytest.fail("opened")
    )
    other = tmp_path / "other"
    bright(llava).save_pretrained(other)
    config = json.loads((other / "config.json").read_text())
    config["base_model"]["name"] = "another"
    (other / "config.json").write_text(json.dumps(config))
    twin = tmp_path / "shallow"
    bright(llava).save_pretrained(twin)
    with pytest.raises(DataError) as caught:
        load_served(
            [saved / "shallow", other, twin], EngineSettings(thresholds={"dark": 0.5}), device="cpu"
        )
    assert [problem.where for problem in caught.value.problems] == [
        "shallow", "other", "thresholds.dark",
    ]  # fmt: skip
    with pytest.raises(DataError, match="at least one"):
        load_served([])
    with pytest.raises(ArtefactError, match="no classifier in"):
        load_served([saved / "shallow", tmp_path / "nothing"])


def test_all_that_belongs_to_another_model_is_said_at_once(saved: Path, tmp_path: Path) -> None:
    other = save_llava(tmp_path / "llava", seed=1)
    with pytest.raises(MismatchError) as caught:
        load_served([saved / "shallow", saved / "deep"], model=str(other), device="cpu")
    places = [problem.where for problem in caught.value.problems]
    assert places == [f"{name}: base_model.fingerprint" for name in ("shallow", "deep")]
