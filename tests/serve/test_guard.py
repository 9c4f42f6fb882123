"""What every request passes."""

from __future__ import annotations

import pytest

from serve.asking import asking, systemone
from serve.engines import ShadeEngine
from superneurons.serve.doors import Doors, hosts_of
from superneurons.serve.guard import OPEN


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


def test_without_the_token_only_the_page_and_the_health_are_shown() -> None:
    with asking(doors=Doors(token="s3cret")) as client:
        opened = [client.get(path).status_code for path in sorted(OPEN)]
        closed = ["/metrics", "/v1/models", "/openapi.json", "/nowhere", "/health/"]
        statuses = {path: client.get(path).status_code for path in closed}
        refused = client.get("/metrics")
        answer = client.get("/metrics", headers={"Authorization": "Bearer s3cret"})
    assert set(opened) == {200}
    assert set(statuses.values()) == {401}
    assert refused.json()["error"]["where"] == "Authorization"
    assert "s3cret" not in refused.text
    assert answer.status_code == 200


def test_a_wrong_name_is_refused_before_the_token_is_looked_at() -> None:
    doors = Doors(token="s3cret", hosts=hosts_of("127.0.0.1", []))
    with asking(doors=doors) as client:
        right = {"Host": "evil.example", "Authorization": "Bearer s3cret"}
        assert client.get("/metrics", headers=right).status_code == 400


def test_what_is_refused_at_the_door_is_named_and_counted_too() -> None:
    with asking(doors=Doors(token="s3cret")) as client:
        refused = client.get("/v1/models", headers={"X-Request-Id": "mine-2"})
        told = client.get("/metrics", headers={"Authorization": "Bearer s3cret"}).text
    assert refused.headers["x-request-id"] == "mine-2"
    assert refused.headers["cache-control"] == "no-store"
    assert 'superneurons_requests_total{route="other",status="401"} 1.0' in told


def test_how_long_requests_took_is_measured_from_their_beginning() -> None:
    with asking() as client:
        client.get("/health")
        told = client.get("/metrics").text
    (line,) = [
        one for one in told.splitlines()
        if one.startswith('superneurons_request_seconds_sum{route="/health"}')
    ]  # fmt: skip
    assert 0 < float(line.split()[-1]) < 10


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("a" * 64, True),
        ("A.b-c_9", True),
        ("a" * 65, False),
        ("é", False),
        ("a/b", False),
        ("a\u00b2", False),
    ],
)
def test_only_short_plain_names_are_taken_for_a_request(given: str, taken: bool) -> None:
    with asking() as client:
        answer = client.get("/health", headers={"X-Request-Id": given.encode("latin-1")})
    assert (answer.headers["x-request-id"] == given) == taken


def test_a_defect_is_answered_counted_and_told_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = ShadeEngine(failure=lambda _job: ZeroDivisionError("inner"))
    with asking(engine) as client:
        answer = client.post("/v1/systemone", json=systemone(), headers={"X-Request-Id": "odd-1"})
        told = client.get("/metrics").text
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "odd-1"
    assert "inner" not in answer.text
    assert 'superneurons_requests_total{route="/v1/systemone",status="500"} 1.0' in told
    assert any("odd-1" in record.getMessage() for record in caplog.records)
