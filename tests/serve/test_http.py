"""What comes over a real connection and is hardly HTTP: refused, and nothing hangs or breaks."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from serve.asking import systemone
from serve.engines import ShadeEngine
from superneurons.serve.app import create_app
from superneurons.serve.doors import Doors, hosts_of

DOORS = Doors(hosts=hosts_of("127.0.0.1", []), max_body=5000, body_s=0.4)
HEAD = (
    b"POST /v1/systemone HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Connection: close\r\nContent-Type: application/json\r\n"
)
BODY = json.dumps(systemone()).encode()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = uvicorn.Config(
        create_app(ShadeEngine(), DOORS), port=0, log_level="critical", server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def said(port: int, *parts: bytes) -> tuple[int, bytes]:
    """Send bytes as they are, and return the status and all that came; 0 where that is nothing."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(0.02 if len(parts) > 1 else 0)
            while part := connection.recv(65_536):
                came += part
        except ConnectionError:
            pass
    return (int(came.split(b" ", 2)[1]) if came.startswith(b"HTTP/") else 0), came


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", {400}),
        (HEAD + b"Content-Length: -5\r\n\r\n{}", {400}),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", {400}),
        (HEAD + b"Content-Length: 99999999999\r\n\r\n{}", {413}),
        (HEAD + b"X: " + b"a" * 300_000 + b"\r\n\r\n", {0, 400, 431}),
        (b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", {400}),
        (b"GET /health HTTP/1.0\r\n\r\n", {400}),
        (b"GET http://evil.example/health HTTP/1.0\r\nHost: evil.example\r\n\r\n", {400}),
    ],
)
def test_what_is_hardly_http_is_refused(port: int, raw: bytes, statuses: set[int]) -> None:
    assert said(port, raw)[0] in statuses
    length = b"Content-Length: %d\r\n\r\n" % len(BODY)
    assert said(port, HEAD + length + BODY)[0] == 200  # and the next one is answered


def test_a_body_that_never_ends_is_given_up(port: int) -> None:
    started = time.monotonic()
    status, came = said(port, HEAD + b"Content-Length: 100\r\n\r\n{")
    assert status == 408
    assert b'"type":"timeout"' in came
    assert time.monotonic() - started < 4


def test_chunks_are_counted_as_they_come(port: int) -> None:
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    status, came = said(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 6)
    assert status == 413
    assert b'"type":"too_large"' in came
    assert b"connection: close" in came.lower()


def test_a_body_in_chunks_is_answered(port: int) -> None:
    chunk = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
    status, came = said(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk)
    assert status == 200
    assert b"\r\nserver:" not in came.lower()
