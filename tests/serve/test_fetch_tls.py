"""Pictures fetched over TLS: the name that was asked for has to be the certificate's."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serve.asking import picture
from superneurons.errors import DataError
from superneurons.serve.fetch import Fetcher

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


class _Picture(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(picture(99))

    def log_message(self, *_: Any) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients that refuse the certificate hang up."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for cats.example that nobody has signed, with its key."""
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=cats.example",
         "-addext", "subjectAltName=DNS:cats.example", "-keyout", place / "key", "-out",
         place / "certificate"],
        check=True, capture_output=True,
    )  # fmt: skip
    return place


@pytest.fixture(scope="module")
def port(certificate: Path) -> Iterator[int]:
    server = _Quiet(("127.0.0.1", 0), _Picture)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate", certificate / "key")
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both names are here."""
    real = socket.getaddrinfo

    def here(host: str, port: int, **more: Any) -> Any:
        assert host in ("cats.example", "dogs.example")
        return real("127.0.0.1", port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)


def trusting(certificate: Path | None) -> Fetcher:
    file = None if certificate is None else str(certificate / "certificate")
    return Fetcher(10_000, 5.0, lambda _: True, ssl.create_default_context(cafile=file))


def test_a_picture_comes_over_tls(port: int, certificate: Path) -> None:
    found = trusting(certificate).fetch(f"https://cats.example:{port}/")
    assert found == picture(99)


def test_another_name_is_refused(port: int, certificate: Path) -> None:
    with pytest.raises(DataError, match="could not be fetched"):
        trusting(certificate).fetch(f"https://dogs.example:{port}/")


def test_a_certificate_that_nobody_signed_is_refused(port: int) -> None:
    with pytest.raises(DataError, match="could not be fetched"):
        trusting(None).fetch(f"https://cats.example:{port}/")
