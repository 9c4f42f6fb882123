"""Pictures from addresses that strangers name: from nowhere inside, however it is put."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from serve.asking import asking, picture, systemone
from superneurons.errors import DataError
from superneurons.serve.doors import Doors
from superneurons.serve.fetch import Fetcher, is_public

INSIDE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:7f00:1::", "64:ff9b::7f00:1",
    "2001:0:4136:e378::1", "::127.0.0.1", "fec0::1", "64:ff9b:1::7f00:1", "168.63.129.16",
    "::ffff:168.63.129.16", "no address",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_what_is_outside_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://127.0.0.1/a", "gopher://127.0.0.1/", "//127.0.0.1/a", "a.png",
     "http:///a", "http://", "http://a:99999/", "http://a:0/", "http://[::1/", "http://a b/",
     "http://a:22/", "http://a:25/",
     "https://a:993/", "http://user:word@93.184.215.14/", "http://a/\r\nX: 1", "http://user@127.0.0.1/"],
)  # fmt: skip
def test_addresses_of_other_kinds_are_refused_unasked(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: pytest.fail("asked"))
    with pytest.raises(DataError):
        Fetcher(1000, 1.0).fetch(url)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "0177.1",
     "127.1", "169.254.169.254", "0"],
)  # fmt: skip
def test_inside_is_refused_however_it_is_written(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    with pytest.raises(DataError, match=r"not public|could not be fetched"):
        Fetcher(1000, 1.0).fetch(f"http://{host}/")


class _Pages(BaseHTTPRequestHandler):
    """``/N`` redirects N times, the last time to a picture; others do as they are called."""

    def do_GET(self) -> None:
        what = self.path.strip("/")
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if what.isdigit() and int(what):
            self._say(302, {"Location": f"/{int(what) - 1}"})
        elif what.startswith("to="):
            self._say(302, {"Location": what[3:]})
        elif what == "drip":
            self._say(200, {"Content-Length": "1000"})
            self._drip()
        elif what == "drip-headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            self._drip()
        elif what == "missing":
            self._say(404, {})
        else:
            body = b"x" * 5000 if what == "large" else picture(250)
            self._say(200, {"Content-Type": "text/html"}, body)

    def _say(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        for _ in range(100):
            try:
                self.wfile.write(b"X")
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.05)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def pages() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    server.daemon_threads = True
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def here(pages: ThreadingHTTPServer, path: str = "") -> str:
    return f"http://127.0.0.1:{pages.server_port}/{path}"


def open_to(*addresses: str, seconds: float = 2.0) -> Fetcher:
    return Fetcher(2000, seconds, allowed=lambda address: address in addresses)


def test_a_picture_is_fetched_whatever_it_is_said_to_be(pages: ThreadingHTTPServer) -> None:
    assert open_to("127.0.0.1").fetch(here(pages)) == picture(250)


def test_three_redirects_are_followed_and_not_four(pages: ThreadingHTTPServer) -> None:
    assert open_to("127.0.0.1").fetch(here(pages, "3")) == picture(250)
    with pytest.raises(DataError, match="more than 3 times"):
        open_to("127.0.0.1").fetch(here(pages, "4"))


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2:8001/", "http://169.254.169.254/latest/", "file:///x",
     "http://[::1]:8001/", "http://u:p@127.0.0.1/", "//10.0.0.1/"],
)  # fmt: skip
def test_redirects_are_judged_like_addresses(pages: ThreadingHTTPServer, target: str) -> None:
    with pytest.raises(DataError, match=r"not public|only http|name or password"):
        open_to("127.0.0.1").fetch(here(pages, f"to={target}"))


@pytest.mark.parametrize("path", ["drip", "drip-headers"])
def test_who_drips_is_hung_up_on(pages: ThreadingHTTPServer, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(DataError, match=r"within 0\.3 s"):
        open_to("127.0.0.1", seconds=0.3).fetch(here(pages, path))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("path", "said"), [("large", "longer than 2,000 bytes"), ("missing", "answers 404")]
)
def test_too_much_and_nothing_are_refused(pages: ThreadingHTTPServer, path: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        open_to("127.0.0.1").fetch(here(pages, path))


def test_who_speaks_no_tls_is_no_picture(pages: ThreadingHTTPServer) -> None:
    with pytest.raises(DataError, match="could not be fetched"):
        open_to("127.0.0.1").fetch(here(pages).replace("http:", "https:"))


def test_a_name_that_changes_its_mind_leads_nowhere_else(
    pages: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS is asked once, and the connection goes to what it said then."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def changing(host: str, port: int, **more: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.9", port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    url = f"http://cats.example:{pages.server_port}/"
    assert open_to("127.0.0.1").fetch(url) == picture(250)
    assert asked == ["cats.example"]


def test_a_name_with_one_address_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(_host: str, port: int, **_more: Any) -> Any:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("93.184.215.14", port)), (*kind, ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    with pytest.raises(DataError, match="not public"):
        Fetcher(1000, 1.0).fetch("http://cats.example/")


@contextmanager
def _service(**more: Any) -> Iterator[Any]:
    with asking(doors=Doors(remote_pictures=True, fetch_s=0.5), **more) as client:
        yield client


def address(url: str) -> dict[str, Any]:
    return systemone(assets={"<img-1>": {"url": url}})


def test_the_service_answers_about_what_it_fetched(pages: ThreadingHTTPServer) -> None:
    with _service(fetcher=open_to("127.0.0.1")) as client:
        answer = client.post("/v1/systemone", json=address(here(pages)))
        large = client.post("/v1/systemone", json=address(here(pages, "large")))
    assert answer.json()["answers"]["q"]["noul"] > 0.9
    assert large.status_code == 422
    assert "longer" in large.json()["error"]["problems"][0]["what"]


def test_the_service_fetches_nothing_from_inside(pages: ThreadingHTTPServer) -> None:
    before = len(pages.asked)  # type: ignore[attr-defined]
    with _service() as client:
        answer = client.post("/v1/systemone", json=address(here(pages)))
    assert answer.status_code == 422
    assert "not public" in answer.json()["error"]["problems"][0]["what"]
    assert len(pages.asked) == before  # type: ignore[attr-defined]
