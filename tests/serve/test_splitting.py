from __future__ import annotations

import pytest
import torch

from superneurons.errors import DataError, ModelError, ResourceError
from superneurons.serve.batch_limit import BatchLimit
from superneurons.serve.batching import Ticket
from superneurons.serve.counters import Counters
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.splitting import one_by_one

ANSWER = Answer("yes", {"yes": 1.0}, 1.0, "exit", 1)


class Work:
    """Answers all jobs, unless one that is bad is among them, or there are too many."""

    def __init__(self, bad: set[int], error: Exception, most: int = 100) -> None:
        self.bad, self.error, self.most = bad, error, most
        self.jobs = [Ticket(Job(()), "a") for _ in range(8)]
        self.sizes: list[int] = []

    def __call__(self, some) -> None:  # type: ignore[no-untyped-def]
        self.sizes.append(len(some))
        if len(some) > self.most or any(self.jobs.index(job) in self.bad for job in some):
            raise self.error
        for job in some:
            job.future.set_result(ANSWER)


def test_only_what_fails_alone_is_failed() -> None:
    work, counters = Work({5}, DataError("bad picture")), Counters()
    one_by_one(work.jobs, work, counters=counters)
    failed = [n for n, job in enumerate(work.jobs) if job.future.exception(0) is not None]
    assert failed == [5]
    assert isinstance(work.jobs[5].future.exception(0), DataError)
    assert work.sizes == [8, 4, 4, 2, 1, 1, 2]
    assert counters.state()["split_batches"] == 3
    assert counters.state()["out_of_memory"] == 0


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA"), ResourceError("too large")]
)
def test_what_does_not_fit_goes_in_parts_and_later_batches_are_smaller(error: Exception) -> None:
    work, counters, limit = Work(set(), error, most=4), Counters(), BatchLimit(16, cautious_for=60)
    one_by_one(work.jobs, work, limit=limit, counters=counters)
    assert all(job.future.result(0) is ANSWER for job in work.jobs)
    assert limit.most == 4
    assert counters.state()["out_of_memory"] == 1


def test_what_a_defect_says_goes_to_the_log_and_no_further(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = Work({0}, ZeroDivisionError("in /secret/place"))
    one_by_one(work.jobs[:1], work)
    told = work.jobs[0].future.exception(0)
    assert isinstance(told, ModelError)
    assert isinstance(told.__cause__, ZeroDivisionError)
    assert "secret" not in str(told)
    assert "in /secret/place" in caplog.text


def test_what_nobody_should_catch_is_not_caught() -> None:
    def killed(some: object) -> None:
        raise KeyboardInterrupt

    job = Ticket(Job(()), "a")
    with pytest.raises(KeyboardInterrupt):
        one_by_one([job], killed)
    assert not job.future.done()
