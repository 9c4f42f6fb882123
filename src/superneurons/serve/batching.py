"""The jobs that wait, and the batches they go in."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING

from superneurons.errors import BusyError, DeadlineError, SuperNeuronsError
from superneurons.serve.batch_limit import BatchLimit
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.pace import Pace
from superneurons.serve.settings import EngineSettings

if TYPE_CHECKING:
    from superneurons.serve.routes import Route

__all__ = ["Ticket", "Waiting"]

_SHORTEST_RETRY = 0.05


@dataclass(eq=False)
class Ticket:
    """An accepted job.

    Parameters
    ----------
    job
        What is asked.
    lane
        Jobs of one lane can share a batch.
    questions
        Rows that it takes in a batch.
    route
        How it is asked.
    arrived
        Moment of ``time.monotonic``.
    begun
        When its batch was taken.
    attempts
        How often the worker died on it.
    future
        Where the answer goes.
    """

    job: Job
    lane: Hashable
    questions: int = 1
    route: Route | None = None
    arrived: float = field(default_factory=time.monotonic)
    begun: float = 0.0
    attempts: int = 0
    future: Future[Answer] = field(default_factory=Future)

    @property
    def late(self) -> bool:
        """Whether nobody waits for it any more."""
        return time.monotonic() >= self.job.deadline

    def fail(self, error: Exception) -> None:
        """Say what went wrong, unless that is settled already."""
        with suppress(InvalidStateError):  # its client may hang up at this very moment
            self.future.set_exception(error)

    def expire(self) -> None:
        """Say that its time ran out."""
        waited = time.monotonic() - self.arrived
        self.fail(
            DeadlineError(
                f"The job waited {waited:.3f} s, until its deadline, and was not begun.",
                where="deadline",
                mend="Give it more time, or ask when there is less to do.",
            )
        )


class Waiting:
    """A bounded queue of jobs: first come, first served, with others of its lane.

    While the model is busy only full batches are handed out, to be prepared meanwhile; others grow
    until it is idle. Preparing smaller ones, too, makes more of them, which costs a GPU more than
    it saves, and gains nothing where model and preparation share their cores.

    Parameters
    ----------
    settings
        How long it may be, how long a wait is promised, how long a first job waits for others.
    pace
        How fast batches have been.
    limit
        How large they may be.
    """

    def __init__(self, settings: EngineSettings, pace: Pace, limit: BatchLimit) -> None:
        self._settings, self._pace, self._limit = settings, pace, limit
        self._changed = Condition()
        self._queue: list[Ticket] = []
        self._open: set[Ticket] = set()
        self._questions = 0
        self._closed = False
        self._stopped: SuperNeuronsError | None = None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def accepted(self) -> int:
        """Jobs that wait or run."""
        return len(self._open)

    @property
    def closed(self) -> bool:
        """Whether no job is taken any more."""
        return self._closed

    def add(self, ticket: Ticket) -> None:
        """Take a job in.

        Raises
        ------
        BusyError
            When the queue is full, the backlog longer than the wait that is promised, or the
            service is stopping.
        """
        with self._changed:
            self._refuse(ticket)
            self._queue.append(ticket)
            self._open.add(ticket)
            self._questions += ticket.questions
            self._changed.notify_all()
        ticket.future.add_done_callback(lambda _: self._settled(ticket))

    def _refuse(self, ticket: Ticket) -> None:
        if self._closed:
            raise BusyError(
                "The service is stopping.", mend="Ask another instance, or again after its start."
            )
        most, promised = self._limit.most, self._settings.max_wait
        needed = self._pace.seconds(self._questions + ticket.questions, most=most)
        if len(self._queue) >= self._settings.max_queue:
            what = f"{len(self._queue)} jobs are waiting, as many as may."
            later = needed / 2
        elif needed > promised and not self._alone(ticket):
            what = f"{len(self._open)} jobs are before this one: that takes {needed:.3f} s."
            later = needed - promised
        else:
            return
        later = max(_SHORTEST_RETRY, later)
        raise BusyError(what, retry_after=later, mend=f"Ask again in {later:.2f} s.")

    def _alone(self, ticket: Ticket) -> bool:
        """Whether nothing but its own request is before it: that is answered, however slowly."""
        own = ticket.job.request
        return all(own is not None and other.job.request is own for other in self._open)

    def _settled(self, ticket: Ticket) -> None:
        """Forget a job that has its answer, or whose client is gone."""
        with self._changed:
            if ticket in self._open:
                self._open.remove(ticket)
                self._questions -= ticket.questions
            if ticket in self._queue:
                self._queue.remove(ticket)
            self._changed.notify_all()

    def take(self, idle: Callable[[], bool]) -> list[Ticket] | None:
        """Wait for the next batch; ``None`` once it was stopped.

        Parameters
        ----------
        idle
            Whether the model has nothing to do. Who changes that calls :meth:`look_again`.
        """
        while True:
            with self._changed:
                if self._stopped is not None:
                    return None
                late = [ticket for ticket in self._queue if ticket.late]
                batch = [] if late else self._mates()
                if not late and not self._full(batch):
                    left = self._left(batch, idle)
                    if left is None or left > 0:
                        self._changed.wait(left)
                        continue
                for ticket in (*late, *batch):
                    self._queue.remove(ticket)
            for ticket in late:
                ticket.expire()
            now = time.monotonic()
            begun = [t for t in batch if t.attempts or t.future.set_running_or_notify_cancel()]
            for ticket in begun:
                ticket.begun = now
            if begun:
                return begun

    def _mates(self) -> list[Ticket]:
        """The first job, and those that can go with it, as many as fit."""
        if not self._queue:
            return []
        first, room = self._queue[0], self._limit.most
        batch: list[Ticket] = []
        for ticket in self._queue:
            if ticket.lane == first.lane and (ticket.questions <= room or not batch):
                batch.append(ticket)
                room -= ticket.questions
            if room <= 0:
                break
        return batch

    def _full(self, batch: Sequence[Ticket]) -> bool:
        return sum(ticket.questions for ticket in batch) >= self._limit.most

    def _left(self, batch: Sequence[Ticket], idle: Callable[[], bool]) -> float | None:
        """Seconds left to wait for others; ``None``: until something changes."""
        if not batch:
            return None
        if self._closed:
            return 0.0
        if not idle():
            return None
        return batch[0].arrived + self._settings.window - time.monotonic()

    def look_again(self) -> None:
        """Say that the model has become idle."""
        with self._changed:
            self._changed.notify_all()

    def put_back(self, tickets: Sequence[Ticket]) -> None:
        """Queue jobs again, before all others; once it was stopped they fail, as all others do."""
        with self._changed:
            stopped = self._stopped
            if stopped is None:
                self._queue[:0] = [ticket for ticket in tickets if not ticket.future.done()]
            self._changed.notify_all()
        if stopped is not None:
            for ticket in tickets:
                ticket.fail(stopped)

    def close(self) -> None:
        """Take no more jobs."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def emptied(self, timeout: float) -> bool:
        """Wait until every accepted job is settled; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout)

    def stop(self, error: SuperNeuronsError) -> None:
        """Hand out no more batches; jobs that weren't begun get an error."""
        with self._changed:
            self._closed, self._stopped = True, error
            left, self._queue = self._queue, []
            self._changed.notify_all()
        for ticket in left:
            ticket.fail(error)
