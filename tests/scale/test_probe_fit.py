from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, murky, shades
from scale.threads import on_threads
from superneurons.activations.capture import Captured
from superneurons.activations.store import read_shard
from superneurons.errors import DataError, OutputError
from superneurons.scale import probing as probing_module
from superneurons.scale.probe_fit import FitWork, check_fit, fit_on_rank
from superneurons.scale.probing import Probe, probe_on_rank, probe_set
from superneurons.scale.ranks import Rank
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record

FILES = ["README.md", "classifier.safetensors", "config.json"]


def params(llava_path: Path, **more: Any) -> dict[str, Any]:
    given = {"model": str(llava_path), "batch_size": 2, "device": "cpu", "max_layer": 3}
    return {**given, "read_out": "paper", "read_out_params": {}, **more}


def by_fit(given: dict[str, Any], records: list[Record], out: Path) -> Path:
    SuperNeuronClassifier(**given).fit(records).save_pretrained(out)
    return out


def same(one: Path, other: Path) -> None:
    assert sorted(path.name for path in one.iterdir()) == FILES
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize(
    ("more", "records"),
    [
        ({}, murky(40, seed=3)),
        ({"read_out_params": {"metric": "f1", "max_margin": 0.2}}, murky(40, seed=3)),
        (
            {
                "read_out_params": {
                    "aggregation": "mean", "max_margin": 0.1, "margin_step": 0.02,
                    "selection_size": 0.4, "random_state": 7,
                },
                "random_state": 3,
            },
            murky(40, seed=3),
        ),
        ({}, shades(18)),  # unrolled
        ({"position": "first_generated", "max_layer": 1}, murky(40, seed=3)),
        ({"site": "vision", "max_layer": 1}, murky(40, seed=3)),
        ({"read_out": "super-neurons"}, murky(40, seed=3)),
    ],
    ids=["paper", "f1", "mean", "unrolled", "generated", "vision", "improved"],
)  # fmt: skip
def test_ranks_save_what_fit_saves(
    llava_path: Path, tmp_path: Path, more: dict[str, Any], records: list[Record]
) -> None:
    given = params(llava_path, **more)
    probing, site = probe_set(given, records)
    store, out = tmp_path / "store", tmp_path / "clf"
    found = on_threads(2, lambda rank: fit_on_rank(rank, given, probing, site, store, out))
    same(out, by_fit(given, records, tmp_path / "alone"))
    config = json.loads((out / "config.json").read_text())
    first, second = found
    assert second.fitted is None
    assert first.fitted["learnt"] == config["read_out"]["values"]
    assert first.fitted["exit_layer"] == config["exit_layer"]
    assert first.fitted["neurons"] == len(SuperNeuronClassifier.from_pretrained(out).neurons_)


def test_an_actor_saves_what_fit_saves(llava_path: Path, tmp_path: Path) -> None:
    given, records = params(llava_path), murky(40, seed=3)
    probing, site = probe_set(given, records)
    probe_on_rank(Rank(), given, probing, site, tmp_path / "store")
    work = FitWork(given, probing, site, tmp_path / "store", tmp_path / "clf")
    told = work(0)
    assert work(0) == told  # as after a death
    assert json.loads(json.dumps(told)) == told
    same(tmp_path / "clf", by_fit(given, records, tmp_path / "alone"))


def test_parts_of_an_earlier_run_are_read_where_they_are(llava_path: Path, tmp_path: Path) -> None:
    given, records = params(llava_path), murky(40, seed=3)
    probing, site = probe_set(given, records)
    probe_on_rank(Rank(), given, probing, site, tmp_path / "store" / "part-00004")
    fit_on_rank(Rank(), given, probing, site, tmp_path / "store", tmp_path / "clf")
    assert not list((tmp_path / "store").glob("shard-*"))
    same(tmp_path / "clf", by_fit(given, records, tmp_path / "alone"))


def test_a_shard_that_has_gone_is_named(llava_path: Path, tmp_path: Path) -> None:
    given, store = params(llava_path), tmp_path / "store"
    probing, site = probe_set(given, murky(40, seed=3))
    probe_on_rank(Rank(), given, probing, site, store)
    (store / "shard-00001.safetensors").unlink()
    with pytest.raises(OutputError, match="Shard 1 was captured"):
        FitWork(given, probing, site, store, tmp_path / "clf")(0)
    assert not (tmp_path / "clf").exists()


def test_what_is_no_number_is_named_by_record_and_layer(
    llava_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, store = params(llava_path), tmp_path / "store"
    probing, site = probe_set(given, bright_records(40, seed=3))
    probe_on_rank(Rank(), given, probing, site, store)
    name = probing.records[17].id

    def damaged(directory: Path, number: int, plan: Any) -> Captured | None:
        shard = read_shard(directory, number, plan)
        if shard is not None and number == 1:
            shard.states[site][1, 2, 5] = np.nan
        return shard

    monkeypatch.setattr("superneurons.scale.probe_fit.read_shard", damaged)
    with pytest.raises(DataError, match=rf"(?s){name}.*NaN in layer 3 \(1 neurons\)"):
        FitWork(given, probing, site, store, tmp_path / "clf")(0)
    monkeypatch.setattr(probing_module, "read_shard", damaged)
    with pytest.raises(DataError, match=rf"(?s){name}.*NaN in layer 3 \(1 neurons\)"):
        probe_on_rank(Rank(), given, probing, site, store)


def test_what_cannot_be_fitted_or_saved_is_refused_at_once(tmp_path: Path) -> None:
    given = params(tmp_path / "nowhere")
    probing, _ = probe_set(given, bright_records(8))
    check_fit(given, probing, tmp_path / "clf")
    wrong = {**given, "read_out_params": {"max_margin": 2, "selection_size": 0}}
    with pytest.raises(DataError, match=r"(?s)max_margin.*selection_size"):
        check_fit(wrong, probing, tmp_path / "clf")
    (tmp_path / "clf").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        check_fit(given, probing, tmp_path / "clf")
    check_fit(given, probing, tmp_path / "clf", overwrite=True)
    check_fit({**given, "read_out": "knn"}, probing, tmp_path / "other")


def test_the_open_model_is_the_classifier_s(llava_path: Path) -> None:
    given = params(llava_path)
    probing, site = probe_set(given, bright_records(8))
    probe = Probe(given, probing, site)
    assert probe.classifier.vlm.model is not None
    assert not hasattr(probe.classifier, "read_out_")
    assert probe.layers.tolist() == sorted(probe.layers.tolist())
    assert (probe.layers[0], probe.layers[-1]) == (1, 3)
