from __future__ import annotations

import threading
import time

import pytest

from superneurons.serve.batching import Ticket
from superneurons.serve.counters import Counters
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.remote import Remote

UNSURE = Answer("no", {"no": 0.6, "yes": 0.4}, 0.6, "exit", 1)
OTHER = Answer("yes", {"no": 0.1, "yes": 0.9}, 0.9, "base", 40)


def ticket(deadline: float = float("inf")) -> Ticket:
    return Ticket(Job((), deadline=deadline), "a")


def settled(remote: Remote, sure: float = 0.7, job: Ticket | None = None) -> Answer:
    job = job or ticket()
    remote.settle(job, UNSURE, sure)
    return job.future.result(5)


def test_without_another_service_the_local_answer_counts() -> None:
    assert settled(Remote(None, Counters())) is UNSURE


def test_unsure_answers_are_replaced_and_say_so() -> None:
    remote = Remote(lambda job: OTHER, Counters())
    found = settled(remote)
    assert (found.label, found.depth, found.confidence) == ("yes", "remote", 0.9)
    assert settled(remote, sure=0.6) is UNSURE
    assert settled(remote, job=ticket(deadline=time.monotonic() - 1)) is UNSURE


def test_a_service_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(job: Job) -> Answer:
        raise ConnectionError("nobody there")

    counters = Counters()
    assert settled(Remote(broken, counters)) is UNSURE
    assert counters.state()["remote_failed"] == 1
    assert "nobody there" in caplog.text


def test_whoever_is_waiting_at_the_end_gets_the_local_answer() -> None:
    held = threading.Event()

    def slow(job: Job) -> Answer:
        held.wait(5)
        return OTHER

    remote = Remote(slow, Counters())
    jobs = [ticket() for _ in range(12)]
    for job in jobs:
        remote.settle(job, UNSURE, 0.7)
    assert not any(job.future.done() for job in jobs)
    remote.close()
    assert all(job.future.result(0) is UNSURE for job in jobs)
    held.set()


def test_an_answer_for_a_job_that_has_failed_is_dropped() -> None:
    job = ticket()
    job.fail(RuntimeError("gone"))
    Remote(None, Counters()).settle(job, UNSURE, 0.7)
    assert isinstance(job.future.exception(0), RuntimeError)


def test_an_answer_found_after_the_end_is_given_as_it_is() -> None:
    remote = Remote(lambda job: OTHER, Counters())
    remote.close()
    assert settled(remote) is UNSURE
