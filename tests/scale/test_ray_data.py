from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from pictures import bright_records
from scale.failing import Fails
from scale.tables import answers_in, png, write_jsonl, write_parquet
from scale.workers import Noted, Sees
from superneurons.errors import DataError, MissingExtraError
from superneurons.scale import answering
from superneurons.scale.answering import answer_data
from superneurons.scale.predictor import Predictor
from superneurons.scale.ray_data import Actors, on_ray

OPENING: dict[str, Any] = {"batch_size": 4, "device": "cpu"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"n": 0}, "actors"), ({"gpus": 1.5}, "1.5 is neither a share of one nor a whole number"),
     ({"gpus": -1}, "-1 is not 0 or more"), ({"cpus": -1}, "cpus per actor"),
     ({"n": 0, "gpus": 2.5, "cpus": -1}, r"(?s)actors: 0 .*per actor: 2.5 .*per actor: -1")],
)  # fmt: skip
def test_actors_that_cannot_be_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Actors(**wrong)
    assert Actors(n=3, gpus=0.5).gpus == 0.5
    assert Actors(gpus=2).gpus == 2


@pytest.mark.parametrize(
    ("gpus", "asked", "found"),
    [(0, "cpu", "cpu"), (0, "auto", "auto"), (0.5, "auto", "auto"), (1, "cuda:0", "cuda:0"),
     (2, "auto", "cuda:0,cuda:1"), (3, "cuda", "cuda:0,cuda:1,cuda:2"),
     (2, "cuda:1,cuda:0", "cuda:1,cuda:0")],
)  # fmt: skip
def test_a_model_is_laid_over_all_gpus_of_its_actor(gpus: float, asked: str, found: str) -> None:
    assert Actors(gpus=gpus).device(asked) == found


@pytest.mark.parametrize(
    ("gpus", "asked", "said"),
    [(2, "cuda:0", "2 GPUs, but .* 'cuda:0'"), (2, "cpu", "'cpu'"), (1, "cuda:0,cuda:1", "1 GPU, "),
     (0.5, "cuda:0,cuda:1", "0.5 GPUs"), (3, "cuda:0,cuda:1", "3 GPUs")],
)  # fmt: skip
def test_devices_that_do_not_go_with_the_gpus_are_refused(
    gpus: float, asked: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        Actors(gpus=gpus).device(asked)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"superneurons\[ray\]"):
        on_ray(Fails, (), [1], Actors())


@pytest.mark.filterwarnings("ignore")  # Ray's own: of deprecations, and files left open
def test_on_a_local_cluster(fitted: Path, tmp_path: Path) -> None:
    # One test, so that processes that share the tests out never start two clusters.
    with cluster():
        two_workers_answer_what_one_process_answers_though_one_is_killed(fitted, tmp_path)
        rays_own_readers_go_with_the_predictor(fitted, tmp_path)
        with pytest.raises(DataError, match=r"item 3: is not there"):
            list(on_ray(Fails, (), [3], Actors()))
        actors_get_the_gpus_that_they_ask_for(fitted, tmp_path)
        with pytest.raises(DataError, match=r"GPU: 3 for each actor, but the cluster has 2"):
            on_ray(Fails, (), [1], Actors(gpus=3))


@contextmanager
def cluster() -> Iterator[None]:
    """Two CPUs of this machine, two GPUs that nobody looks for, and a small store."""
    import ray

    with tempfile.TemporaryDirectory(prefix="ray") as short:  # sockets' names are limited
        ray.init(
            address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False,
            object_store_memory=80 * 1024 * 1024, logging_level=logging.ERROR,
            configure_logging=False, _temp_dir=short,
            runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parents[1])}},
        )  # fmt: skip
        try:
            yield
        finally:
            ray.shutdown()


def two_workers_answer_what_one_process_answers_though_one_is_killed(
    fitted: Path, tmp_path: Path
) -> None:
    data = str(write_jsonl(tmp_path / "data", bright_records(30, seed=1)))
    (tmp_path / "data" / "005.png").write_bytes(b"broken")
    options: dict[str, Any] = {"rows_per_block": 4, "opening": OPENING}
    alone = answer_data(fitted, data, tmp_path / "alone", **options)
    notes, killed = tmp_path / "notes", list[int]()
    notes.mkdir()
    killer = threading.Thread(target=kill_one, args=(notes, killed))
    killer.start()
    with patch.object(answering, "BlockWork", Noted):
        done = answer_data(fitted, data, tmp_path / "ray", actors=Actors(n=2), **options)
    killer.join()
    assert len(killed) == 1
    assert len({note.name.split("-")[1] for note in notes.iterdir()}) >= 2
    assert (done.blocks, done.kept, done.rows, done.errors) == (8, 0, 30, 1)
    assert done == alone
    here, there = answers_in(tmp_path / "alone"), answers_in(tmp_path / "ray")
    for a, b in zip(here, there, strict=True):
        assert a | {"latency_ms": 0} == b | {"latency_ms": 0}


def kill_one(notes: Path, killed: list[int]) -> None:
    """Kill the process that begins the second block."""
    for _ in range(6000):
        begun = sorted(notes.iterdir(), key=lambda note: note.stat().st_mtime_ns)
        if len(begun) > 1:
            killed.append(int(begun[1].name.split("-")[1]))
            os.kill(killed[0], signal.SIGKILL)
            return
        time.sleep(0.01)


def actors_get_the_gpus_that_they_ask_for(fitted: Path, tmp_path: Path) -> None:
    data = str(write_jsonl(tmp_path / "two", bright_records(8, seed=2)))
    both: dict[str, Any] = {"rows_per_block": 4, "opening": {**OPENING, "device": "cpu,cpu"}}
    alone = answer_data(fitted, data, tmp_path / "one-process", **both)
    with patch.object(answering, "BlockWork", Sees):
        done = answer_data(fitted, data, tmp_path / "two-gpus", actors=Actors(gpus=2), **both)
        found = answers_in(tmp_path / "two-gpus")
    assert done == alone
    assert (tmp_path / "two-gpus" / "gpus").read_text() == "0,1"
    for a, b in zip(answers_in(tmp_path / "one-process"), found, strict=True):
        assert a | {"latency_ms": 0} == b | {"latency_ms": 0}


def rays_own_readers_go_with_the_predictor(fitted: Path, tmp_path: Path) -> None:
    import ray.data

    records = bright_records(12, seed=1)
    write_parquet(tmp_path / "x.parquet", records)
    rows = (
        ray.data.read_parquet(str(tmp_path / "x.parquet"))
        .map_batches(
            Predictor,
            fn_constructor_args=(str(fitted),),
            fn_constructor_kwargs=OPENING,
            batch_size=6,
            compute=ray.data.ActorPoolStrategy(size=1),
        )
        .take_all()
    )
    wanted = Predictor(fitted, **OPENING)({"image": [png(record) for record in records]})
    names = [record.id for record in records]
    assert {row["id"]: row["label"] for row in rows} == dict(
        zip(names, wanted["label"], strict=True)
    )
