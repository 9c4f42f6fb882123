from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from serve.asking import asking, systemone
from superneurons.errors import BusyError
from superneurons.serve.admission import Admission, Shedding


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def answered_in(admission: Admission, clock: Clock, seconds: float, n: int = 1) -> None:
    begun = [admission.enter() for _ in range(n)]
    clock.now += seconds
    for moment in begun:
        admission.leave(moment, answered=True)


def test_late_answers_halve_what_is_let_in_at_most() -> None:
    clock = Clock()
    admission = Admission(0.1, clock)
    first = admission.limit
    answered_in(admission, clock, 5.0, n=int(first))
    assert admission.limit == first / 2
    answered_in(admission, clock, 0.105, n=int(first / 2))
    assert 0.85 * first / 2 < admission.limit < first / 2


def test_the_more_time_is_promised_the_more_are_let_in_at_first() -> None:
    limits = [Admission(promised).limit for promised in (0.01, 0.5, 60)]
    assert limits == [16, 100, 256]


def test_a_crowd_that_came_before_counts_once() -> None:
    clock = Clock()
    admission = Admission(0.1, clock)
    early = [admission.enter() for _ in range(16)]
    clock.now += 1
    admission.leave(early.pop(), answered=True)
    lowered = admission.limit
    for moment in early:
        admission.leave(moment, answered=True)
    assert admission.limit == lowered < 16


class Crowded:
    """A server asked twice as much as it can answer: batches of up to ``most``, one at a time."""

    def __init__(self, promised: float, start: float, each: float, most: int) -> None:
        self.clock = Clock()
        self.admission = Admission(promised, self.clock)
        self.promised, self.most = promised, most
        self.seconds = lambda size: start + each * size
        self.possible = most / self.seconds(most)
        self.took: list[float] = []

    def run(self, answers: int, *, spikes: float = 0.0, seed: int = 0) -> float:
        """Answer so many, a share of the batches ten times as slowly; return how many a second."""
        random, waiting, running = np.random.default_rng(seed), list[float](), list[float]()
        coming = begun = self.clock.now
        ended, until = 0.0, len(self.took) + answers
        while len(self.took) < until:
            if running and ended <= coming:
                self.clock.now = ended
                for moment in running:
                    self.took.append(ended - moment)
                    self.admission.leave(moment, answered=True)
                running = []
            else:
                self.clock.now = coming
                coming += random.exponential() / (2 * self.possible)
                with suppress(BusyError):
                    waiting.append(self.admission.enter())
            if waiting and not running:
                running, waiting = waiting[: self.most], waiting[self.most :]
                slower = random.uniform(0.75, 1.25) * (10 if random.random() < spikes else 1)
                ended = self.clock.now + self.seconds(len(running)) * slower
        for moment in (*running, *waiting):  # their clients hang up
            self.admission.leave(moment, answered=False)
        return answers / (self.clock.now - begun)

    def late(self) -> float:
        """Share of answers that came later than promised."""
        return sum(took > self.promised for took in self.took) / len(self.took)


@pytest.mark.parametrize(
    ("promised", "start", "each", "most", "given"),
    [
        (0.1, 0.0, 0.01, 1, 0.97),
        (0.025, 0.0, 0.01, 1, 0.85),
        (0.08, 0.006, 0.002, 16, 0.9),
        (0.03, 0.006, 0.002, 16, 0.5),
        (0.2, 0.004, 0.001, 32, 0.97),
        (5.0, 0.5, 0.1, 8, 0.97),
    ],
)
def test_99_of_100_are_in_time_at_twice_the_load(
    promised: float, start: float, each: float, most: int, given: float
) -> None:
    server = Crowded(promised, start, each, most)
    server.run(3000)
    server.took.clear()
    rate = server.run(12_000, seed=1)
    assert server.late() < 0.01
    assert rate > given * server.possible, "and what can be answered in time is answered"


def test_hiccups_cost_little() -> None:
    server = Crowded(0.1, 0.0, 0.01, 1)
    server.run(3000)
    server.took.clear()
    rate = server.run(12_000, spikes=0.001, seed=1)
    assert server.late() < 0.015
    assert rate > 0.8 * server.possible


def test_it_comes_back_from_a_long_hiccup() -> None:
    server = Crowded(0.1, 0.0, 0.01, 1)
    server.run(3000)
    settled = server.admission.limit
    server.run(60, spikes=1.0)
    assert server.admission.limit < settled / 2
    server.run(5000)
    assert server.admission.limit > 0.7 * settled


def test_what_is_let_in_grows_again_but_only_when_it_is_needed() -> None:
    clock = Clock()
    admission = Admission(0.1, clock)
    for _ in range(40):
        answered_in(admission, clock, 1.0, n=int(admission.limit))
    assert admission.limit == 1
    answered_in(admission, clock, 5.0)
    assert admission.limit == 1, "somebody is always let in"
    for _ in range(1500):
        answered_in(admission, clock, 0.01, n=int(admission.limit))
    grown = admission.limit
    assert grown > 3
    for _ in range(2000):
        answered_in(admission, clock, 0.01)
    assert admission.limit == grown


def test_it_grows_fast_until_the_first_late_answer_and_slowly_from_then_on() -> None:
    clock = Clock()
    admission = Admission(0.1, clock)
    first = admission.limit
    answered_in(admission, clock, 0.01, n=int(first))
    assert admission.limit > 1.3 * first
    answered_in(admission, clock, 0.101, n=int(admission.limit))
    lowered = admission.limit
    answered_in(admission, clock, 0.01, n=int(lowered))
    assert lowered < admission.limit <= lowered + 0.05


def test_refusals_say_when_to_come_again_and_count_nothing() -> None:
    clock = Clock()
    admission = Admission(0.5, clock)
    inside = [admission.enter() for _ in range(int(admission.limit))]
    with pytest.raises(BusyError, match="100 requests are under way") as caught:
        admission.enter()
    assert caught.value.retry_after == 0.5
    limit = admission.limit
    clock.now += 9
    for moment in inside:
        admission.leave(moment, answered=False)
    assert admission.limit == limit
    assert admission.state() == {"limit": 100, "under_way": 0, "refused": 1}


def asked(app: Shedding, method: str = "POST") -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body is not read")

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": method, "headers": []}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_questions_are_refused_unread_and_all_else_is_let_through() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"yes"})

    admission = Admission(1.0)
    app = Shedding(application, admission)
    assert asked(app) == (200, b"yes")
    admission.limit = 0
    status, body = asked(app)
    assert status == 429
    assert "under way" in json.loads(body)["error"]["message"]
    assert asked(app, "GET") == (200, b"yes")
    assert admission.under_way == 0


def test_a_request_that_fails_makes_room_again() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a defect")

    admission = Admission(1.0)
    with pytest.raises(RuntimeError):
        asked(Shedding(broken, admission))
    assert admission.under_way == 0


def test_the_service_sheds_what_it_cannot_answer_in_time() -> None:
    with asking(promised=0.5) as client:
        assert client.post("/v1/systemone", json=systemone()).status_code == 200
        assert "superneurons_admission_limit 1" in client.get("/metrics").text
        assert "superneurons_admission_under_way 0" in client.get("/metrics").text
    with asking() as client:
        assert "superneurons_admission" not in client.get("/metrics").text


def test_how_long_a_client_takes_to_send_says_nothing_of_the_service() -> None:
    clock = Clock()
    admission = Admission(0.1, clock)
    before = admission.limit

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        clock.now += 0.05
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        clock.now += 3
        return {"type": "http.request", "body": b"", "more_body": clock.now < 110}

    async def send(_message: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "headers": []}
    asyncio.run(Shedding(application, admission)(scope, receive, send))
    assert clock.now > 110
    assert admission.limit == before
    assert admission.under_way == 0
