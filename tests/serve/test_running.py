"""The service as a process: a port, and an end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from serve.asking import picture, systemone
from serve.engines import ShadeEngine
from superneurons.errors import OutputError
from superneurons.serve.app import create_app
from superneurons.serve.running import bind, serve

TESTS = Path(__file__).parents[1]
QUEUED = "superneurons_engine_queued "
PROGRAM = """
import sys
from serve.engines import ShadeEngine
from superneurons.serve.app import create_app
from superneurons.serve.running import bind, serve
engine = ShadeEngine(seconds=float(sys.argv[1]), workers=2)
def say(where):
    print(where, flush=True)
app, port = create_app(engine), bind("127.0.0.1", 0)
drained = serve(app, engine, port, grace=float(sys.argv[2]), started=say)
print(drained, engine.counts["answered"], flush=True)
"""


def test_a_port_that_is_taken_is_refused() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match="cannot listen") as caught:
            bind("127.0.0.1", port)
        assert caught.value.where == f"127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host.invalid", "a..b"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(OutputError, match="cannot listen"):
        bind(host, 0)


def test_nobody_is_let_in_before_it_is_served() -> None:
    with bind("127.0.0.1", 0) as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(port.getsockname(), timeout=1)


def started(seconds: float, grace: float) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(seconds), str(grace)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


class Asker(threading.Thread):
    """Asks again and again on one connection, until nobody listens."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.answers: list[tuple[int, str | None]] = []

    def run(self) -> None:
        body = json.dumps(systemone(picture(250)))
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=10)
        with closing(connection):
            while True:
                try:
                    kind = {"Content-Type": "application/json"}
                    connection.request("POST", "/v1/systemone", body, kind)
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    return
                self.answers.append((answer.status, answer.getheader("Retry-After")))


def asked(address: str, many: int, answers: int) -> list[Asker]:
    """Start clients, and wait until each has had some answers."""
    askers = [Asker(address) for _ in range(many)]
    for asker in askers:
        asker.start()
    end = time.monotonic() + 10
    while time.monotonic() < end and any(len(asker.answers) < answers for asker in askers):
        time.sleep(0.01)
    return askers


def queued(address: str) -> float:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(QUEUED))


def wait_for_a_question(address: str) -> None:
    end = time.monotonic() + 10
    while not queued(address) and time.monotonic() < end:
        time.sleep(0.01)


def test_told_to_end_under_load_it_loses_no_accepted_request() -> None:
    process, address = started(0.05, 10)
    askers = asked(address, 8, 2)
    process.send_signal(signal.SIGTERM)
    for asker in askers:
        asker.join(10)
    out, _ = process.communicate(timeout=10)
    answers = [answer for asker in askers for answer in asker.answers]
    right = answers.count((200, None))
    assert process.returncode == 0
    assert set(answers) <= {(200, None), (503, "1")}
    assert right >= 16
    assert out.split() == ["True", str(right)]


def test_what_is_not_answered_in_time_is_given_up() -> None:
    process, address = started(2, 0.2)
    (asker,) = asked(address, 1, 0)
    wait_for_a_question(address)
    process.send_signal(signal.SIGTERM)
    asker.join(10)
    out, _ = process.communicate(timeout=10)
    assert out.startswith("False")
    assert asker.answers == [(503, "1")]


def test_two_that_took_one_port_at_once_do_not_both_serve() -> None:
    with bind("127.0.0.1", 0) as first:
        number = first.getsockname()[1]
        with bind("127.0.0.1", number) as second:
            first.listen()
            engine = ShadeEngine()
            with pytest.raises(OutputError, match="cannot listen") as caught:
                serve(create_app(engine), engine, second)
    assert caught.value.where == f"127.0.0.1:{number}"


@pytest.mark.parametrize("busy", [True, False])
def test_a_second_signal_ends_it_at_once_and_says_whether_anything_was_lost(busy: bool) -> None:
    process, address = started(20, 30)
    asker = Asker(address)
    if busy:
        asker.start()
        wait_for_a_question(address)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline().split()[0] == str(not busy)
    assert time.monotonic() - begun < 15
    process.kill()
    process.communicate()
    if busy:
        asker.join(10)
        assert asker.answers == [(503, "1")]
