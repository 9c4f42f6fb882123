"""``superneurons serve``: the real process, around a tiny random model."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pictures import bright_records
from serve.asking import systemone


@contextmanager
def served(*words: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command, and wait until it says where it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "superneurons", "serve", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stderr is not None
    try:
        said = ""
        while "http://" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        yield process, said.rsplit("http://", 1)[1].strip()
    finally:
        process.kill()
        process.communicate()


def png(record: Any) -> bytes:
    from io import BytesIO

    file = BytesIO()
    record.images[0].save(file, "PNG")
    return file.getvalue()


class Asker(threading.Thread):
    """Asks about its own pictures on one connection, until nobody listens."""

    def __init__(self, address: str, bodies: list[tuple[str, float]]) -> None:
        super().__init__()
        self.address, self.bodies = address, bodies
        self.statuses: Counter[int] = Counter()
        self.swapped = 0

    def run(self) -> None:
        with closing(http.client.HTTPConnection(self.address, timeout=20)) as connection:
            while True:
                for body, expected in self.bodies:
                    try:
                        status, answer = ask(connection, body)
                    except (OSError, http.client.HTTPException):
                        return
                    self.statuses[status] += 1
                    if status == 200 and abs(answer["answers"]["q"]["noul"] - expected) > 1e-3:
                        self.swapped += 1


def ask(connection: http.client.HTTPConnection, body: str) -> tuple[int, Any]:
    connection.request("POST", "/v1/systemone", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_sigterm_under_load_loses_no_accepted_request(saved: Path) -> None:
    bodies = [
        json.dumps(systemone(png(record), model=None)) for record in bright_records(12, seed=5)
    ]
    with served(saved, "--port", 0) as (process, address):
        with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
            alone = [ask(connection, body)[1]["answers"]["q"]["noul"] for body in bodies]
        expected = list(zip(bodies, alone, strict=True))
        askers = [Asker(address, expected[start:] + expected[:start]) for start in range(6)]
        for asker in askers:
            asker.start()
        end = time.monotonic() + 15
        while any(asker.statuses[200] < 5 for asker in askers) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        for asker in askers:
            asker.join(20)
        assert process.wait(20) == 0
        assert process.stderr is not None
        last = process.stderr.read().strip().splitlines()[-1]
    statuses = sum((asker.statuses for asker in askers), Counter[int]())
    assert set(statuses) <= {200, 429, 503}
    assert statuses[200] >= 30
    assert not any(asker.swapped for asker in askers)
    assert last.startswith(f"superneurons: {statuses[200] + len(bodies)} answered")
    assert max(alone) - min(alone) > 0.1  # else swapped answers could not be seen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--token-file", "nowhere"], "The token cannot be read"),
        (["--threshold", "clf:0.9"], "no name and number"),
        (["--threshold", "dog=0.9"], "for no classifier"),
        (["--threshold", "clf=2"], "from 0 to 1"),
        (["--deadline-s", "0"], "deadline_s"),
        (["--host", "203.0.113.9"], "cannot listen"),
        (["--remote", "ftp://x"], "no address of a service"),
        (["--log", "."], "The log cannot be written"),
        (["--log-pictures"], "Add --log FILE"),
        (["--max-body-mb", "inf"], "inf MB is no limit"),
        (["--max-body-mb", "nan"], "nan MB is no limit"),
        (["--grace-s", "nan"], "grace-s"),
        (["--grace-s", "-1"], "grace-s"),
    ],
)
def test_what_cannot_be_served_is_said_before_anybody_is_let_in(
    run: Callable[..., Any], words: list[str], said: str, saved: Path
) -> None:
    done = run("serve", saved, "--port", 0, *words)
    assert done.code == 2
    assert said in done.err


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, llava: Any) -> Path:
    """A classifier, saved once."""
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    out = tmp_path_factory.mktemp("served") / "clf"
    SuperNeuronClassifier(llava).fit(bright_records(12)).save_pretrained(out)
    return out


def test_what_is_no_classifier_is_refused(run: Callable[..., Any], tmp_path: Path) -> None:
    done = run("serve", tmp_path, "--port", 0)
    assert done.code == 2
    assert str(tmp_path) in done.err


def test_other_machines_are_let_in_only_with_a_word_of_warning(
    run: Callable[..., Any], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from superneurons.serve import opening

    served: list[Any] = []
    monkeypatch.setattr(opening, "serve", lambda app, *_a, **_k: served.append(app) or True)
    assert "anybody who reaches" in run("serve", saved, "--host", "0.0.0.0", "--port", 0).err
    monkeypatch.setenv("SUPERNEURONS_TOKEN", "t")
    done = run("serve", saved, "--host", "0.0.0.0", "--port", 0, "--base")
    assert done.code == 0
    assert "anybody" not in done.err
    assert served[1].state.service.doors.token == "t"
    assert [app.state.service.routing.asks_base for app in served] == [False, True]


def test_what_another_service_takes_is_not_held_against_this_one(
    run: Callable[..., Any], saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from superneurons.serve import opening

    served: list[Any] = []
    monkeypatch.setattr(opening, "serve", lambda app, *_a, **_k: served.append(app) or True)
    for words in ([], ["--remote", "http://127.0.0.1:9"]):
        assert run("serve", saved, "--port", 0, *words).code == 0
    told = [app.state.service.metrics.text().decode() for app in served]
    assert ["superneurons_admission_limit" in text for text in told] == [True, False]


def test_answers_are_logged_and_watched_where_that_is_wanted(
    run: Callable[..., Any], saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from starlette.testclient import TestClient

    from superneurons.serve import opening
    from superneurons.task.read import read_records

    metrics: list[str] = []

    def served_here(app: Any, *_: Any, **__: Any) -> bool:
        with TestClient(app, "http://127.0.0.1") as client:
            for record in bright_records(3):
                body = systemone(png(record), model=None)
                assert client.post("/v1/systemone", json=body).status_code == 200
            metrics.append(client.get("/metrics").text)
        return True

    monkeypatch.setattr(opening, "serve", served_here)
    log = tmp_path / "answers.jsonl"
    done = run("serve", saved, "--port", 0, "--log", log, "--log-pictures")
    assert done.code == 0
    assert len(read_records(log, require_labels=False)) == 3
    assert "superneurons_log_written" in metrics[0]
    assert 'superneurons_drift_seen{bin="no",classifier="clf",of="label"}' in metrics[0]
    assert len(log.read_text().splitlines()) == 3
