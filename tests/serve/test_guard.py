"""What every request passes."""

from __future__ import annotations

import pytest

from serve.asking import asking, systemone
from superneurons.serve.doors import Doors, hosts_of


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8000", 200),
        ("LOCALHOST:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("evil.example:8000", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost.evil.example", 400),
        ("", 400),
    ],
)
def test_on_loopback_other_names_are_refused(host: str, status: int) -> None:
    with asking(doors=Doors(hosts=hosts_of("127.0.0.1", []))) as client:
        answer = client.get("/health", headers={"Host": host})
        asked = client.post("/v1/systemone", json=systemone(), headers={"Host": host})
    assert answer.status_code == asked.status_code == status
    assert status == 200 or answer.json()["error"]["where"] == "Host"


def test_a_name_can_be_allowed() -> None:
    with asking(doors=Doors(hosts=hosts_of("0.0.0.0", ["Cats.Example"]))) as client:
        assert client.get("/health", headers={"Host": "cats.example:80"}).status_code == 200
        assert client.get("/health", headers={"Host": "127.0.0.1"}).status_code == 400


def test_each_answer_has_a_name_and_no_more_headers_than_needed() -> None:
    with asking() as client:
        named = client.get("/health", headers={"X-Request-Id": "mine-1"})
        given = client.get("/health", headers={"X-Request-Id": "a b\tc" * 50})
        missing = client.get("/nowhere")
    assert named.headers["x-request-id"] == "mine-1"
    assert given.headers["x-request-id"] != missing.headers["x-request-id"]
    assert "\t" not in given.headers["x-request-id"]
    assert missing.headers["x-content-type-options"] == "nosniff"
    assert missing.headers["cache-control"] == "no-store"
    assert "server" not in missing.headers
