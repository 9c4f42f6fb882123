from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from pictures import bright_records
from superneurons.errors import DataError, ModelError, SuperNeuronsError
from superneurons.scale import probe_engines
from superneurons.scale.probe_engines import probe
from superneurons.scale.ray_data import Actors
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    found = []
    for n, record in enumerate(bright_records(20, seed=3)):
        record.images[0].save(tmp_path / f"{n}.png")  # type: ignore[union-attr]
        found.append(replace(record, images=(Path(f"{n}.png"),)))
    return found


def params(llava_path: Path) -> dict[str, Any]:
    return {"model": str(llava_path), "batch_size": 2, "device": "cpu", "max_layer": 1}


def same(one: Path, other: Path) -> None:
    for name in ("config.json", "classifier.safetensors", "README.md"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_every_engine_saves_what_fit_saves(
    llava_path: Path, records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = params(llava_path) | {"read_out": "paper", "read_out_params": {}}
    alone = probe(given, records, Path("alone"), classifier=Path("one"))
    told: list[tuple[int, int]] = []
    two = probe(
        given, records, Path("ranks"), engine="ranks", classifier=Path("two"),
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told[-1] == (2, 2)
    with patch.object(probe_engines, "on_ray", sent_and_done):
        three = probe(given, records, Path("ray"), engine="ray", classifier=Path("three"))
        nothing = probe(given, records, Path("ray"), engine="ray")
    assert nothing.fitted is None
    SuperNeuronClassifier(**given).fit(records).save_pretrained("by_fit")
    for name, found in (("one", alone), ("two", two), ("three", three)):
        same(tmp_path / name, tmp_path / "by_fit")
        assert found.fitted is not None
        assert found.fitted["classifier"] == str(tmp_path / name)
        assert found.fitted | {"classifier": ""} == alone.fitted | {"classifier": ""}  # type: ignore[operator]
    for shard in Path("alone").glob("shard-*"):
        (copy,) = Path("ranks").glob(f"part-*/{shard.name}")
        assert copy.read_bytes() == (Path("ray") / shard.name).read_bytes() == shard.read_bytes()
    assert {path.name for path in Path("ranks").glob("part-*")} == {"part-00000", "part-00001"}


def sent_and_done(worker: Any, given: Any, items: Any, _: Any) -> Iterator[Any]:
    """What Ray does with work, without the cluster, on which it is tested by itself."""
    made = worker(*pickle.loads(pickle.dumps(given)))
    for item in items:
        yield json.loads(json.dumps(made(item)))


def test_an_actor_with_two_gpus_lays_the_model_over_them(
    llava_path: Path, records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Any] = []

    def noted(worker: Any, given: Any, items: Any, actors: Actors) -> Iterator[Any]:
        seen.append((given[0]["device"], actors.gpus))
        given = ({**given[0], "device": "cpu,cpu"}, *given[1:])
        return sent_and_done(worker, given, items, actors)

    options = params(llava_path) | {"device": "auto", "read_out": "paper"}
    with patch.object(probe_engines, "on_ray", noted):
        probe(
            options, records, Path("ray"), engine="ray", actors=Actors(gpus=2),
            classifier=Path("clf"),
        )  # fmt: skip
    assert seen == [("cuda:0,cuda:1", 2)] * 2
    SuperNeuronClassifier(**options | {"device": "cpu"}).fit(records).save_pretrained("by_fit")
    same(tmp_path / "clf", tmp_path / "by_fit")
    with pytest.raises(DataError, match="2 GPUs"):
        probe(params(llava_path), records, Path("no"), engine="ray", actors=Actors(gpus=2))
    assert not Path("no").exists()


def test_what_cannot_be_saved_is_refused_before_a_model_is_opened(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = params(tmp_path / "nowhere") | {"read_out": "paper"}
    Path("taken").mkdir()
    for out, more, said in (
        ("taken", {}, "exists already"),
        ("clf", {"read_out_params": {"max_margin": 7}}, "max_margin"),
    ):
        with pytest.raises(SuperNeuronsError, match=said):
            probe(given | more, records, Path("store"), classifier=Path(out))
    with pytest.raises(ModelError, match="nowhere"):
        probe(given, records, Path("store"), classifier=Path("taken"), overwrite=True)
    assert not Path("store").exists()


def test_a_rank_of_one_by_environment_is_this_process(
    llava_path: Path, records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where pictures are named from
    alone = probe(params(llava_path), records, Path("alone"))
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    told: list[tuple[int, int]] = []
    found = probe(
        params(llava_path), records, Path("store"), engine="ranks",
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(1, 2), (2, 2)]
    assert found.counts is not None
    assert alone.counts is not None
    assert (found.counts.scores() == alone.counts.scores()).all()
    for name in ("plan.json", "shard-00000.safetensors", "shard-00001.safetensors"):
        assert (tmp_path / "store" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
