"""From the body of a request to the answers of the engine: busy, late, gone, failed."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from serve.asking import asking, b64, picture, systemone
from serve.engines import ShadeEngine
from superneurons.errors import BusyError, DataError, Problem, ResourceError, ServiceError
from superneurons.serve.app import create_app
from superneurons.serve.doors import Doors
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.service import DEADLINE

ONE = "/v1/systemone"


def until(true: Callable[[], Any], seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(true())


def at_once(engine: ShadeEngine, bodies: list[Any], doors: Doors | None = None) -> list[Any]:
    """Send requests all at once, on one event loop."""

    app = create_app(engine, doors)

    async def send() -> list[Any]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await asyncio.gather(*(client.post(ONE, json=body) for body in bodies))

    try:
        return asyncio.run(send())
    finally:
        app.state.service.close()


def test_many_requests_at_once_each_get_their_own_answer() -> None:
    levels = [(7 * number) % 256 for number in range(120)]
    answers = at_once(ShadeEngine(), [systemone(picture(level)) for level in levels])
    found = [answer.json()["answers"]["q"]["noul"] for answer in answers]
    order = sorted(range(len(levels)), key=levels.__getitem__)
    assert [found[index] for index in order] == sorted(found)
    assert len(set(found)) == len(set(levels))


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    engine = ShadeEngine(seconds=0.05, workers=1, queue=3)
    answers = at_once(engine, [systemone() for _ in range(20)])
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 4
    for answer in answers:
        if answer.status_code == 429:
            assert answer.headers["retry-after"] == "2"
            assert answer.json()["error"]["type"] == "busy"
    assert engine.counts["answered"] == statuses.count(200)


def test_of_a_request_that_does_not_fit_nothing_is_run() -> None:
    engine = ShadeEngine(seconds=0.2, workers=1, queue=1)
    questions = {f"q{n}": {"type": "noul", "instructions": "Is it bright?"} for n in range(8)}
    (answer,) = at_once(engine, [systemone(questions=questions)])
    assert answer.status_code == 429
    assert until(lambda: not engine.pending)
    assert engine.counts["answered"] <= 1  # the one that was already running
    assert engine.counts["cancelled"] >= 1


def test_a_deadline_that_passes_is_503() -> None:
    engine = ShadeEngine(seconds=3, workers=1)
    with asking(engine) as client:
        started = time.monotonic()
        answer = client.post(ONE, json=systemone(), headers={DEADLINE: "400"})
        took = time.monotonic() - started
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert took < 2.8
    assert engine.jobs[0].deadline - started == pytest.approx(0.4, abs=2)


def test_a_request_cannot_ask_for_more_time_than_there_is() -> None:
    engine = ShadeEngine(seconds=0.3, workers=1)
    with asking(engine, Doors(deadline_s=0.05)) as client:
        assert client.post(ONE, json=systemone(), headers={DEADLINE: "60000"}).status_code == 503


def scope_of(path: str) -> dict[str, Any]:
    headers = [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip


def call(app: Any, receive: Callable[[], Awaitable[Any]]) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope_of(ONE), receive, send))
    return sent


def test_the_engine_is_told_which_jobs_belong_together() -> None:
    engine = ShadeEngine()
    questions = {f"q{n}": {"type": "noul", "instructions": "Is it bright?"} for n in range(2)}
    with asking(engine) as client:
        for _ in range(2):
            assert client.post(ONE, json=systemone(questions=questions)).status_code == 200
    first, second, third, fourth = (job.request for job in engine.jobs)
    assert first is second is not None
    assert third is fourth is not first


def test_when_the_client_is_gone_its_jobs_are_taken_out(caplog: pytest.LogCaptureFixture) -> None:
    engine = ShadeEngine(seconds=0.2, workers=1)
    app = create_app(engine)
    questions = {f"q{n}": {"type": "noul", "instructions": "Is it bright?"} for n in range(5)}
    messages = [
        {"type": "http.request", "body": json.dumps(systemone(questions=questions)).encode()},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        if len(messages) == 1:
            while not engine.jobs:
                await asyncio.sleep(0.01)
        return messages.pop(0)

    assert call(app, receive) == []
    assert until(lambda: not engine.pending)
    gc.collect()
    assert not caplog.records
    assert engine.counts["cancelled"] >= 4
    assert 'status="499"' in app.state.service.metrics.text().decode()
    assert app.state.service.budget.taken == 0


def test_when_the_client_is_gone_in_the_middle_of_its_body_nothing_is_asked() -> None:
    engine = ShadeEngine()
    messages = [
        {"type": "http.request", "body": b'{"model"', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    assert call(create_app(engine), receive) == []
    assert not engine.jobs


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DataError("no such picture", problems=[Problem("here", "bad")]), 422),
        (BusyError("stopped"), 503),
        (BusyError("full", retry_after=3), 429),
        (ServiceError("the worker died"), 503),
        (ResourceError("out of memory"), 503),
        (RuntimeError("a defect"), 500),
        (MemoryError(), 503),
    ],
)
def test_an_error_of_one_job_is_that_of_its_request(error: Exception, status: int) -> None:
    """Only of its request: one that is asked at the same time is answered."""
    engine = ShadeEngine(failure=lambda job: error if job.classifier == "bright" else None)
    good = systemone(questions={"shade": {"type": "score", "criteria": ["dark", "grey", "pale"]}})
    bad, fine = at_once(engine, [systemone(), good])
    assert (bad.status_code, fine.status_code) == (status, 200)
    assert ("retry-after" in bad.headers) == (status in (429, 503))
    if status == 422:
        (problem,) = bad.json()["error"]["problems"]
        assert problem == {"where": "questions.q", "what": "no such picture; here: bad"}


def test_observers_are_told_of_every_answer() -> None:
    told: list[tuple[str, Job, Answer]] = []
    with asking(observers=[lambda *seen: told.append(seen)]) as client:
        client.post(ONE, json=systemone(), headers={"X-Request-Id": "r1"})
        client.post(ONE, json={})
    ((request_id, job, answer),) = told
    assert (request_id, job.classifier, answer.label) == ("r1", "bright", "yes")


def test_an_observer_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Any] = []

    def failing(*_: Any) -> None:
        raise OSError("disk full")

    with asking(observers=[failing, lambda *seen: told.append(seen)]) as client:
        assert client.post(ONE, json=systemone()).status_code == 200
    assert len(told) == 1
    assert "disk full" in caplog.text


def test_memory_is_given_back_whatever_happens() -> None:
    engine = ShadeEngine(failure=lambda job: RuntimeError() if job.explain else None)
    with asking(engine) as client:
        for body in (systemone(), {}, systemone(b"?"), systemone(model="none")):
            client.post(ONE, json=body)
        client.post(ONE + "?explain=true", json=systemone())
        service = client.app.state.service  # type: ignore[attr-defined]
        assert service.budget.taken == 0


def test_a_picture_that_several_questions_show_is_decoded_once() -> None:
    engine = ShadeEngine()
    questions = {f"q{n}": {"type": "noul", "instructions": "Is it bright?"} for n in range(3)}
    assets = {"a": {"data_base64": b64()}}
    with asking(engine) as client:
        client.post(ONE, json=systemone(questions=questions, assets=assets))
    assert len({id(job.pictures[0]) for job in engine.jobs}) == 1


def test_threads_end_with_the_application() -> None:
    def ours() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if t.name.startswith(("decode", "fetch"))}

    before = ours()
    with asking() as client:
        client.post(ONE, json=systemone())
        assert ours() > before
    assert ours() == before
