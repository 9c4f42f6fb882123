from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import pytest

from superneurons.errors import BusyError, DeadlineError
from superneurons.serve.batch_limit import BatchLimit
from superneurons.serve.batching import Ticket, Waiting
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.pace import Pace
from superneurons.serve.settings import EngineSettings

ANSWER = Answer("yes", {"yes": 1.0}, 1.0, "exit", 1)


def waiting(pace: Pace | None = None, **limits: float) -> Waiting:
    settings = EngineSettings(**limits)  # type: ignore[arg-type]
    limit = BatchLimit(settings.max_batch, cautious_for=60)
    return Waiting(settings, pace or Pace(), limit)


def ticket(lane: str = "a", questions: int = 1, deadline: float = float("inf")) -> Ticket:
    return Ticket(Job((), deadline=deadline), lane, questions)


def idle() -> bool:
    return True


def busy() -> bool:
    return False


def test_jobs_of_a_lane_go_together_in_their_order() -> None:
    queue = waiting(max_batch=3, window=0)
    jobs = [ticket(lane) for lane in "abaaba"]
    for job in jobs:
        queue.add(job)
    assert queue.take(idle) == [jobs[0], jobs[2], jobs[3]]
    assert queue.take(idle) == [jobs[1], jobs[4]]
    assert queue.take(idle) == [jobs[5]]
    assert len(queue) == 0
    assert queue.accepted == 6
    assert all(job.begun >= job.arrived for job in jobs)


def test_a_batch_is_counted_in_questions_but_never_empty() -> None:
    queue = waiting(max_batch=4, window=0)
    large, small, tiny = ticket(questions=9), ticket(questions=3), ticket()
    for job in (large, small, tiny):
        queue.add(job)
    assert queue.take(idle) == [large]
    assert queue.take(idle) == [small, tiny]


def test_a_first_job_waits_for_others_while_the_model_is_idle() -> None:
    queue = waiting(window=0.3)
    first, second = ticket(), ticket()
    queue.add(first)
    threading.Timer(0.05, queue.add, [second]).start()
    assert queue.take(idle) == [first, second]


def test_batches_grow_until_the_model_is_idle() -> None:
    queue = waiting(window=0)
    jobs = [ticket() for _ in range(3)]
    working, taken = [True], list[Ticket]()
    taking = threading.Thread(target=lambda: taken.extend(queue.take(lambda: not working[0]) or []))
    taking.start()
    for job in jobs:
        queue.add(job)
    taking.join(0.1)
    assert taking.is_alive(), "the model is busy"
    working.clear()
    working.append(False)
    queue.look_again()
    taking.join(5)
    assert taken == jobs


def test_full_batches_are_made_while_the_model_is_busy() -> None:
    queue = waiting(max_batch=2)
    jobs = [ticket(), ticket()]
    for job in jobs:
        queue.add(job)
    assert queue.take(busy) == jobs


def test_a_busy_model_holds_nobody_up_once_the_service_stops() -> None:
    queue = waiting()
    queue.add(ticket())
    queue.close()
    assert len(queue.take(busy) or []) == 1


def test_late_jobs_are_told_so_while_the_model_is_busy() -> None:
    queue = waiting(max_batch=2)
    late = ticket(deadline=time.monotonic() - 1)
    queue.add(late)
    for _ in range(2):
        queue.add(ticket())
    assert len(queue.take(busy) or []) == 2
    with pytest.raises(DeadlineError):
        late.future.result(0)


def test_a_full_batch_waits_for_nobody() -> None:
    queue = waiting(window=1, max_batch=2)
    queue.add(ticket())
    queue.add(ticket())
    begun = time.monotonic()
    assert len(queue.take(idle) or []) == 2
    assert time.monotonic() - begun < 0.5


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    queue = waiting(max_queue=2)
    queue.add(ticket())
    queue.add(ticket())
    with pytest.raises(BusyError, match="2 jobs are waiting") as caught:
        queue.add(ticket())
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 0
    assert queue.accepted == 2


def test_a_backlog_longer_than_promised_is_refused_by_the_measured_pace() -> None:
    pace = Pace()
    for size in (1, 2, 4):
        pace.saw(size, 0.1 * size)
    queue = waiting(pace, max_wait=0.35, max_batch=4)
    for _ in range(3):
        queue.add(ticket())
    with pytest.raises(BusyError, match=r"takes 0\.4") as caught:
        queue.add(ticket())
    assert caught.value.retry_after == pytest.approx(0.05, abs=0.01)


def test_what_runs_counts_as_backlog_until_it_is_answered() -> None:
    pace = Pace()
    pace.saw(1, 1.0)
    queue = waiting(pace, max_wait=1.5, window=0)
    queue.add(ticket())
    (running,) = queue.take(idle) or []
    with pytest.raises(BusyError):
        queue.add(ticket())
    running.future.set_result(ANSWER)
    queue.add(ticket())
    assert queue.accepted == 1


def test_nothing_before_it_means_a_slow_job_is_taken_all_the_same() -> None:
    pace = Pace()
    pace.saw(1, 10.0)
    queue = waiting(pace, max_wait=0.1)
    queue.add(ticket())
    assert queue.accepted == 1


def test_expired_jobs_never_run() -> None:
    queue = waiting(window=0)
    late, good = ticket(deadline=time.monotonic() + 0.01), ticket()
    queue.add(late)
    queue.add(good)
    time.sleep(0.02)
    assert queue.take(idle) == [good]
    with pytest.raises(DeadlineError, match="not begun"):
        late.future.result(0)


def test_a_client_that_is_gone_takes_its_job_out() -> None:
    queue = waiting(max_queue=1, window=0)
    gone, next_one = ticket(), ticket()
    queue.add(gone)
    assert gone.future.cancel()
    assert len(queue) == queue.accepted == 0
    queue.add(next_one)
    assert queue.take(idle) == [next_one]
    assert not next_one.future.cancel(), "what runs is not taken back"


def test_put_back_jobs_come_first_and_may_run_again() -> None:
    queue = waiting(window=0)
    first, second = ticket(), ticket()
    queue.add(first)
    assert queue.take(idle) == [first]
    queue.add(second)
    first.attempts = 1
    queue.put_back([first])
    assert queue.take(idle) == [first, second]


def test_a_closed_queue_refuses_and_gives_out_what_it_has() -> None:
    queue = waiting(window=1)
    queue.add(ticket())
    queue.close()
    with pytest.raises(BusyError, match="stopping") as caught:
        queue.add(ticket())
    assert caught.value.retry_after is None
    (left,) = queue.take(idle) or []
    assert not queue.emptied(0.01)
    left.future.set_result(ANSWER)
    assert queue.emptied(0)


def test_stopping_wakes_whoever_waits_and_fails_the_rest() -> None:
    queue = waiting()
    found: list[object] = []
    taker = threading.Thread(target=lambda: found.append(queue.take(idle)))
    taker.start()
    queue.stop(BusyError("over"))
    taker.join(1)
    assert found == [None]
    queue = waiting()
    left = ticket()
    queue.add(left)
    queue.stop(BusyError("over"))
    with pytest.raises(BusyError, match="over"):
        left.future.result(0)
    assert queue.accepted == 0


def test_an_answer_that_is_there_is_not_replaced() -> None:
    job = ticket()
    job.future.set_result(ANSWER)
    job.fail(BusyError("too late"))
    job.expire()
    assert job.future.result() is ANSWER


def test_a_client_that_hangs_up_while_its_job_expires_disturbs_nobody() -> None:
    queue = waiting(window=0)
    late, gone, next_one = ticket(deadline=0), ticket(deadline=0), ticket()

    class HungUp(Future[Answer]):
        """Is cancelled at the last moment: after it was seen to be open."""

        def done(self) -> bool:
            found = super().done()
            self.cancel()
            return found

        def set_exception(self, exception: BaseException | None) -> None:
            self.cancel()
            super().set_exception(exception)

    gone.future = HungUp()
    for job in (gone, late, next_one):
        queue.add(job)
    assert queue.take(idle) == [next_one]
    assert isinstance(late.future.exception(0), DeadlineError)
    assert gone.future.cancelled()
    assert queue.accepted == 1


def test_what_is_put_back_after_the_end_fails_as_all_else_did() -> None:
    queue, end = waiting(window=0), BusyError("It has stopped.")
    held = ticket()
    queue.add(held)
    assert queue.take(idle) == [held]
    queue.stop(end)
    queue.put_back([held])
    assert held.future.exception(0) is end
    assert (len(queue), queue.accepted) == (0, 0)


def test_a_request_is_not_refused_for_its_own_questions() -> None:
    pace = Pace()
    pace.saw(1, 5.0)
    queue, own, other = waiting(pace, max_wait=1.0), object(), object()
    for _ in range(3):
        queue.add(Ticket(Job((), request=own), "a"))
    for request in (other, None):
        with pytest.raises(BusyError, match="3 jobs are before"):
            queue.add(Ticket(Job((), request=request), "a"))
    queue.add(Ticket(Job((), request=own), "a"))
    assert queue.accepted == 4
