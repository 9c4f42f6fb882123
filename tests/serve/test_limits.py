"""How much is taken in."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from serve.asking import asking, picture, systemone
from superneurons.errors import BusyError, DeadlineError
from superneurons.serve.doors import Doors
from superneurons.serve.limits import Budget, parse_json, read_body


def test_a_budget_is_given_back() -> None:
    budget = Budget(100)
    with budget.share() as one, budget.share() as other:
        one.take(60)
        with pytest.raises(BusyError) as caught:
            other.take(50)
        assert caught.value.retry_after == 1.0
        other.take(40)
        assert budget.taken == 100
    assert budget.taken == 0
    with budget.share() as alone:
        alone.take(500)  # what is alone is bound by its own limits
    assert budget.taken == 0


def test_who_is_over_takes_nothing_more() -> None:
    budget = Budget(100)
    with budget.share() as share:
        pass
    with pytest.raises(DeadlineError):
        share.take(1)
    assert budget.taken == 0


def test_a_budget_is_right_under_many_threads() -> None:
    budget = Budget(10_000)

    def work() -> None:
        for _ in range(200):
            with budget.share() as share:
                share.take(1)
                share.take(2)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.taken == 0


def request_of(parts: list[bytes], *, pause: float = 0.0, **headers: str) -> Request:
    """A request whose body comes in parts, with a pause before each."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    given = {"content-type": "application/json"} | headers
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "headers": pairs}, receive)


def read(request: Request, doors: Doors) -> bytes:
    with Budget(10**9).share() as share:
        return asyncio.run(read_body(request, doors, share))


def test_a_body_in_parts_is_one() -> None:
    assert read(request_of([b"{", b"", b"}"]), Doors()) == b"{}"


def test_a_body_that_drips_is_given_up() -> None:
    with pytest.raises(HTTPException) as caught:
        read(request_of([b"{"] * 100, pause=0.03), Doors(body_s=0.1))
    assert caught.value.status_code == 408


def test_a_body_is_read_no_further_than_its_limit() -> None:
    parts = [b"x" * 10] * 100
    request = request_of(parts)
    with pytest.raises(HTTPException) as caught:
        read(request, Doors(max_body=25))
    assert caught.value.status_code == 413


@pytest.mark.parametrize("length", ["26", "9" * 5000])
def test_a_length_that_is_too_long_is_not_read_at_all(length: str) -> None:
    with pytest.raises(HTTPException) as caught:
        read(request_of([], content_length=length), Doors(max_body=25))
    assert caught.value.status_code == 413


def test_values_and_depth_are_bounded() -> None:
    assert parse_json(b"[" * 31 + b"1" + b"]" * 31)
    for body, status in (
        (b"[" * 40 + b"]" * 40, 413),
        (b"[" + b"{}," * 60_000 + b"1]", 413),
        (b"[1,]", 400),
        (b'{"a": Infinity}', 400),
    ):
        with pytest.raises(HTTPException) as caught:
            parse_json(body)
        assert caught.value.status_code == status


def test_too_much_at_once_is_told_to_come_again() -> None:
    """Decoded pictures count, too: what is small as a file may be large."""
    body = json.dumps(systemone(picture(size=(1000, 1000))))
    small = Doors(max_body=len(body), max_bytes=1)  # raised to twice a body
    with asking(doors=small) as client:
        kind = {"Content-Type": "application/json"}
        answer = client.post("/v1/systemone", content=body, headers=kind)
        assert client.post("/v1/systemone", json=systemone()).status_code == 200
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
