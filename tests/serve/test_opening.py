"""From directories to a service: thresholds of a lock, and what stands beside the classifiers."""

from __future__ import annotations

import gc
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cascades import altered, going_on
from locks import locked as made
from pictures import murky
from serve.asking import chatted, picture
from serve.fitted import answers, bright, serving
from superneurons.errors import ArtefactError, MismatchError, OutputError, ServiceError
from superneurons.evaluate.cascade_locking import lock_cascade
from superneurons.serve import opening
from superneurons.serve.doors import Doors
from superneurons.serve.drift import Drift
from superneurons.serve.jobs import Job
from superneurons.serve.opening import REMOTE_TOKEN, Beside, locked, run
from superneurons.serve.settings import EngineSettings
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.lock import Lock, Locked, Share, artefact_digest, write_lock
from superneurons.vlm.model import VLM


@pytest.fixture
def directories(tmp_path: Path) -> list[Path]:
    made = []
    for name in ("bright", "shade"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name)
        (tmp_path / name / "classifier.safetensors").write_bytes(b"")
        made.append(tmp_path / name)
    return made


def lock_of(**thresholds: tuple[Path, float]) -> Lock:
    share = Share(9, 10, 10.0, (0.5, 1.0))
    common: dict[str, Any] = {
        "base_model": {}, "prompt": "", "versions": {}, "question": None, "labels": (),
        "target_accuracy": 0.9, "met": True, "chose": 10, "accuracy": share,
        "answered_accuracy": share, "escalated": share, "reference": {},
    }  # fmt: skip
    return Lock(
        {
            name: Locked(artefact=artefact_digest(path), threshold=threshold, **common)
            for name, (path, threshold) in thresholds.items()
        }
    )


def test_thresholds_come_from_the_lock_where_none_is_given(directories: list[Path]) -> None:
    bright, shade = directories
    lock = lock_of(bright=(bright, 0.8), shade=(shade, 0.7), other=(shade, 0.6))
    given = EngineSettings(thresholds={"bright": 0.95})
    assert locked(given, lock, directories).thresholds == {"bright": 0.95, "shade": 0.7}
    assert locked(EngineSettings(), lock, [bright]).thresholds == {"bright": 0.8}
    assert locked(given, Lock({}), directories) == given


def test_a_lock_of_other_classifiers_is_refused_with_all_of_them(directories: list[Path]) -> None:
    bright, shade = directories
    lock = lock_of(bright=(bright, 0.8), shade=(shade, 0.7))
    for path in directories:
        (path / "config.json").write_text("changed")
    with pytest.raises(MismatchError) as caught:
        locked(EngineSettings(), lock, directories)
    assert [problem.where for problem in caught.value.problems] == ["bright", "shade"]


@pytest.fixture(scope="module")
def saved(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("served") / "bright"
    bright(llava, max_layer=1).save_pretrained(place)
    return place


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """Runs a service in this process; instead of waiting for signals it is asked once."""

    def once(*given: Any, drained: bool = True, **more: Any) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def serve(app: Any, engine: Any, port: Any, *, grace: float, started: Any) -> bool:
            started("http://here")
            with TestClient(app, "http://127.0.0.1") as client:
                answer = client.post("/classify", json=chatted(picture(128)))
                seen.update(answer=answer.json(), grace=grace, metrics=client.get("/metrics").text)
            engine.drain(10)
            return drained

        monkeypatch.setattr(opening, "serve", serve)
        settings = EngineSettings(window=0, max_wait=60, **more.pop("settings", {}))
        address = ("127.0.0.1", 0)
        named: dict[str, Any] = {"address": address, "say": print} | more
        run(given[0], settings, *given[1:], **named)
        return seen

    every = sys.getswitchinterval()
    yield once
    sys.setswitchinterval(every)
    gc.unfreeze()


def test_a_service_answers_logs_and_takes_its_leave(
    saved: Path, tmp_path: Path, asked: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    lock, log = tmp_path / "lock.json", tmp_path / "log.jsonl"
    write_lock(Lock({"bright": made(artefact=artefact_digest(saved), threshold=0.0)}), lock)
    beside = Beside(lock=lock, log=log, log_pictures=True)
    seen = asked([saved], Doors(), beside, grace=7.0, opening={"device": "cpu"})
    label = seen["answer"]["data"][0]["label"]
    (line,) = map(json.loads, log.read_text().splitlines())
    assert (line["classifier"], line["answer"]) == ("bright", label)
    assert (tmp_path / line["image"]).is_file()
    assert seen["grace"] == 7.0
    for prefix in ("superneurons_drift", "superneurons_log", "superneurons_admission"):
        assert prefix in seen["metrics"]
    told = capsys.readouterr().out.splitlines()
    assert told == ["bright on http://here", "1 answered, 0 refused"]


def test_pictures_are_logged_only_where_asked(
    saved: Path, tmp_path: Path, asked: Callable[..., Any]
) -> None:
    asked([saved], Doors(), Beside(log=tmp_path / "log.jsonl"))
    assert "image" not in json.loads((tmp_path / "log.jsonl").read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_what_was_accepted_and_not_answered_is_an_error(
    saved: Path, asked: Callable[..., Any]
) -> None:
    with pytest.raises(ServiceError, match=r"within 2\.5 s") as caught:
        asked([saved], Doors(), drained=False, grace=2.5)
    assert "--grace-s" in str(caught.value)


class _Other(BaseHTTPRequestHandler):
    """Another service, which is very sure of yes."""

    seen: list[tuple[str | None, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["Authorization"], json.loads(body)))
        answer = {
            "type": "choice", "choice": "yes", "confidence": 1.0,
            "probabilities": {"yes": 1.0, "no": 0.0},
        }  # fmt: skip
        said = json.dumps({"answers": {"question": answer}, "usage": {}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        pass


def test_another_service_is_asked_last_with_its_own_token(
    saved: Path, asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REMOTE_TOKEN, "theirs")
    _Other.seen = []
    with HTTPServer(("127.0.0.1", 0), _Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        beside = Beside(remote=f"http://127.0.0.1:{other.server_port}", remote_model="larger")
        settings = {"thresholds": {"bright": 1.0}, "base": False}
        seen = asked([saved], Doors(token="ours"), beside, settings=settings)
        assert "missing" in seen["answer"]["error"]["message"], "ours is not theirs"
        assert _Other.seen == []
        seen = asked([saved], Doors(), beside, settings=settings)
        other.shutdown()
    ((token, body),) = _Other.seen
    assert (token, body["model"]) == ("Bearer theirs", "larger")
    assert body["questions"]["question"]["instructions"] == "Is it bright?"
    assert seen["answer"]["data"][0]["label"] == "yes"
    assert seen["answer"]["superneurons"]["depth"] == "remote"
    assert "superneurons_admission" not in seen["metrics"], "its pace says nothing of ours"


def test_a_port_that_is_taken_is_said_before_a_model_is_opened(tmp_path: Path) -> None:
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        with pytest.raises(OutputError, match="cannot listen"):
            run([tmp_path / "none"], EngineSettings(), Doors(), address=address, say=told.append)
    assert told == []


def test_a_log_that_cannot_be_written_is_said_before_a_model_is_opened(tmp_path: Path) -> None:
    beside = Beside(log=tmp_path)
    with pytest.raises(OutputError, match="log cannot be written"):
        run([tmp_path / "none"], EngineSettings(), Doors(), beside, address=("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("host", "token", "warned"),
    [("127.0.0.1", None, False), ("0.0.0.0", None, True), ("0.0.0.0", "s3cret", False)],
)
def test_who_lets_everybody_in_is_told(
    host: str, token: str | None, warned: bool, tmp_path: Path
) -> None:
    told: list[str] = []
    with pytest.raises(ArtefactError):
        run(
            [tmp_path / "none"], EngineSettings(), Doors(token=token),
            address=(host, 0), say=told.append,
        )  # fmt: skip
    assert told == ([f"anybody who reaches {host} can ask: give a token"] if warned else [])


def test_a_lock_in_which_everything_is_answered_keeps_no_base_model(
    directories: list[Path],
) -> None:
    bright, shade = directories
    lock = lock_of(bright=(bright, 0.0), shade=(shade, 0.25))
    assert locked(EngineSettings(), lock, directories).thresholds == {"shade": 0.25}
    given = EngineSettings(thresholds={"bright": 0.5})
    assert locked(given, lock, directories).thresholds == {"bright": 0.5, "shade": 0.25}


@pytest.fixture(scope="module")
def steps(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lock]:
    path = tmp_path_factory.mktemp("opening") / "steps"
    going_on(llava, murky(48)).save_pretrained(path)
    found = lock_cascade(Cascade.from_pretrained(path, llava), path, murky(40, seed=3))
    return path, Lock({"steps": found})


def test_a_locked_cascade_is_served_with_its_own_thresholds(
    steps: tuple[Path, Lock], tmp_path: Path, asked: Callable[..., Any]
) -> None:
    path, lock = steps
    assert locked(EngineSettings(), lock, [path]) == EngineSettings()
    given = EngineSettings(thresholds={"steps": 0.9})
    assert locked(given, lock, [path]) == given
    write_lock(lock, tmp_path / "lock.json")
    seen = asked([path], Doors(), Beside(lock=tmp_path / "lock.json"))
    assert 'drift_psi{classifier="steps",of="given"}' in seen["metrics"]


def test_a_cascade_that_changed_is_not_served(
    steps: tuple[Path, Lock], tmp_path: Path, asked: Callable[..., Any]
) -> None:
    def change(_: Any, tensors: Any) -> None:
        tensors["thresholds"][1] += 0.01

    write_lock(steps[1], tmp_path / "lock.json")
    changed = altered(steps[0], tmp_path / "steps", change)
    with pytest.raises(MismatchError, match="after it was locked") as caught:
        asked([changed], Doors(), Beside(lock=tmp_path / "lock.json"))
    assert [problem.where for problem in caught.value.problems] == ["steps"]


def test_thresholds_that_were_written_into_a_lock_are_not_passed_over(
    steps: tuple[Path, Lock],
) -> None:
    then = steps[1].locked("steps")
    first, *others = then.stages
    edited = replace(then, stages=(replace(first, threshold=0.99), *others))
    with pytest.raises(MismatchError, match=r"locked at 0\.99, now") as caught:
        locked(EngineSettings(), Lock({"steps": edited}), [steps[0]])
    assert [problem.where for problem in caught.value.problems] == ["steps.stages.0.threshold"]


def test_of_the_pictures_of_the_lock_a_service_sees_no_drift(
    steps: tuple[Path, Lock], llava: VLM
) -> None:
    cascade, then = Cascade.from_pretrained(steps[0], llava), steps[1].locked("steps")
    with serving(llava, {"steps": cascade}) as engine:
        drift = Drift(engine.classifiers, steps[1].classifiers, half_life=1e12)
        jobs = [Job(record.images, "steps") for record in murky(40, seed=3)]
        for job, answer in zip(jobs, answers(engine, jobs), strict=True):
            drift("id", job, answer)
    index = {f.labels["of"]: f.value for f in drift.metrics() if f.name == "psi"}
    assert set(index) == set(then.reference) | {"given"}
    assert all(value == pytest.approx(0, abs=1e-6) for value in index.values()), index
    assert 0 < then.escalated.hits < 40
