from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from superneurons.errors import BusyError, ServiceError
from superneurons.serve.batch_limit import BatchLimit
from superneurons.serve.batching import Ticket, Waiting
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.pace import Pace
from superneurons.serve.settings import EngineSettings
from superneurons.serve.worker import Handover, Worker

ANSWER = Answer("yes", {"yes": 1.0}, 1.0, "exit", 1)
WITHIN = 5


def answer_all(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        ticket.future.set_result(ANSWER)


@contextmanager
def working(
    run: Callable[[Any], None] = answer_all,
    prepare: Callable[[list[Ticket]], Any] = lambda tickets: tickets,
    **limits: Any,
) -> Iterator[tuple[Waiting, Worker[Any], list[int]]]:
    settings = EngineSettings(**{"window": 0, "max_batch": 1, "max_wait": 60, **limits})
    waiting = Waiting(settings, Pace(), BatchLimit(settings.max_batch, cautious_for=1))
    deaths: list[int] = []
    worker: Worker[Any] = Worker(waiting, prepare, run, lambda: deaths.append(1))
    worker.start()
    try:
        yield waiting, worker, deaths
    finally:
        waiting.stop(BusyError("over"))
        worker.join(WITHIN)
        assert not worker.alive


def added(waiting: Waiting, n: int) -> list[Ticket]:
    tickets = [Ticket(Job(()), "a") for _ in range(n)]
    for ticket in tickets:
        waiting.add(ticket)
    return tickets


def test_every_job_is_run_once_and_in_order() -> None:
    ran: list[Ticket] = []

    def run(tickets: list[Ticket]) -> None:
        ran.extend(tickets)
        answer_all(tickets)

    with working(run, max_batch=3) as (waiting, worker, _):
        tickets = added(waiting, 20)
        assert all(ticket.future.result(WITHIN) is ANSWER for ticket in tickets)
        assert worker.alive
    assert ran == tickets


def test_one_batch_is_prepared_while_another_runs_and_no_more() -> None:
    prepared: list[int] = []
    go, begun = threading.Event(), threading.Event()

    def prepare(tickets: list[Ticket]) -> list[Ticket]:
        prepared.append(len(tickets))
        return tickets

    def run(tickets: list[Ticket]) -> None:
        begun.set()
        assert go.wait(WITHIN)
        answer_all(tickets)

    with working(run, prepare, max_batch=2) as (waiting, worker, _):
        (first,) = added(waiting, 1)
        assert begun.wait(WITHIN)
        assert not worker.idle
        (lonely,) = added(waiting, 1)
        time.sleep(0.05)
        assert prepared == [1], "what fills no batch waits"
        (mate,) = added(waiting, 1)
        while len(prepared) < 2:
            time.sleep(0.001)
        rest = added(waiting, 2)
        time.sleep(0.05)
        assert prepared == [1, 2]
        go.set()
        assert all(ticket.future.result(WITHIN) for ticket in (first, lonely, mate, *rest))
        assert prepared == [1, 2, 2], "what waited meanwhile went together"


def test_batches_with_nothing_left_to_run_are_skipped() -> None:
    def known(tickets: list[Ticket]) -> None:
        answer_all(tickets)

    with working(pytest.fail, known) as (waiting, _, _deaths):
        assert all(ticket.future.result(WITHIN) for ticket in added(waiting, 3))


@pytest.mark.parametrize("where", ["run", "prepare"])
@pytest.mark.parametrize("death", [SystemExit, RuntimeError, KeyboardInterrupt])
def test_a_thread_that_dies_is_replaced_and_its_jobs_run_again(
    where: str, death: type[BaseException]
) -> None:
    left = [death]

    def once(tickets: list[Ticket]) -> list[Ticket]:
        if left:
            raise left.pop()
        return tickets

    def run(tickets: list[Ticket]) -> None:
        answer_all(once(tickets) if where == "run" else tickets)

    with working(run, once if where == "prepare" else lambda t: t) as (waiting, worker, deaths):
        assert all(ticket.future.result(WITHIN) for ticket in added(waiting, 5))
        assert deaths == [1]
        assert worker.alive


def test_a_job_is_not_allowed_to_kill_a_third_one() -> None:
    runs: list[int] = []

    def deadly(tickets: list[Ticket]) -> None:
        runs.append(1)
        raise SystemExit

    with working(deadly) as (waiting, _, deaths):
        (ticket,) = added(waiting, 1)
        with pytest.raises(ServiceError, match="died on this job 2 times"):
            ticket.future.result(WITHIN)
        assert waiting.accepted == 0
    assert len(runs) == len(deaths) == 2


def test_what_was_answered_before_the_death_is_not_asked_again() -> None:
    runs: list[int] = []

    def half(tickets: list[Ticket]) -> None:
        runs.append(len(tickets))
        answer_all(tickets[:1])
        if len(runs) == 1:
            raise SystemExit
        answer_all(tickets[1:])

    with working(half, max_batch=2, window=0.2) as (waiting, _, _deaths):
        assert all(ticket.future.result(WITHIN) for ticket in added(waiting, 2))
    assert runs == [2, 1]


def test_a_handover_holds_one_thing() -> None:
    place: Handover[str] = Handover()
    assert place.free
    place.put("a")
    putter = threading.Thread(target=place.put, args=("b",))
    putter.start()
    time.sleep(0.02)
    assert putter.is_alive()
    assert place.get() == "a"
    putter.join(WITHIN)
    assert place.get() == "b"
    place.wait_free()


def test_how_long_a_batch_runs_is_known_until_it_ends() -> None:
    go, begun = threading.Event(), threading.Event()

    def run(tickets: list[Ticket]) -> None:
        begun.set()
        assert go.wait(WITHIN)
        if tickets[0].job.explain:
            raise RuntimeError("a defect")
        answer_all(tickets)

    with working(run) as (waiting, worker, deaths):
        assert worker.running_for == 0
        for explain in (False, True):
            go.clear()
            begun.clear()
            ticket = Ticket(Job((), explain=explain), "a", attempts=1)
            waiting.add(ticket)
            assert begun.wait(WITHIN)
            time.sleep(0.02)
            assert 0.01 < worker.running_for < WITHIN
            go.set()
            assert (ticket.future.exception(WITHIN) is not None) == explain
            time.sleep(0.02)
            assert worker.running_for == 0
        assert deaths == [1]
