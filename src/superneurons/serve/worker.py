"""Two threads that are there whatever happens: one prepares batches, one runs the model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Generic, TypeVar

from superneurons.errors import ServiceError
from superneurons.serve.batching import Ticket, Waiting

__all__ = ["Handover", "Worker"]

T = TypeVar("T")

_LOG = logging.getLogger("superneurons.serve")
_MOST_ATTEMPTS = 2
_REST = 0.05


class Handover(Generic[T]):
    """A place for one thing, from one thread to another."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._there: list[T] = []

    def put(self, item: T) -> None:
        """Wait until the place is free, and put something there."""
        with self._changed:
            self._changed.wait_for(lambda: not self._there)
            self._there.append(item)
            self._changed.notify_all()

    def get(self) -> T:
        """Wait until something is there, and take it."""
        with self._changed:
            self._changed.wait_for(lambda: self._there)
            item = self._there.pop()
            self._changed.notify_all()
            return item

    def wait_free(self) -> None:
        """Wait until the place is free."""
        with self._changed:
            self._changed.wait_for(lambda: not self._there)

    @property
    def free(self) -> bool:
        """Whether nothing is there."""
        return not self._there


class Worker(Generic[T]):
    """Prepares a batch while the model runs another; never more than one ahead.

    A thread that dies is replaced. The jobs that it held are tried once more, then failed.

    Parameters
    ----------
    waiting
        Where batches come from.
    prepare
        Makes what the model runs of a batch, or nothing where nothing is left to run.
    run
        Runs it.
    died
        Told of each death.
    """

    def __init__(
        self,
        waiting: Waiting,
        prepare: Callable[[list[Ticket]], T | None],
        run: Callable[[T], None],
        died: Callable[[], None],
    ) -> None:
        self._waiting, self._prepare, self._run, self._died = waiting, prepare, run, died
        self._handover: Handover[tuple[list[Ticket], T] | None] = Handover()
        self._held: dict[str, Sequence[Ticket]] = {"prepare": (), "model": ()}
        self._began = 0.0
        self._threads: dict[str, Thread] = {}
        self._loops = {"prepare": self._preparing, "model": self._running}

    def start(self) -> None:
        """Start both threads."""
        for name in self._loops:
            self._begin(name)

    @property
    def alive(self) -> bool:
        """Whether both threads are there."""
        threads = list(self._threads.values())
        return bool(threads) and all(thread.is_alive() for thread in threads)

    @property
    def idle(self) -> bool:
        """Whether the model has nothing to do."""
        return self._handover.free and not self._held["model"]

    @property
    def running_for(self) -> float:
        """Seconds since the batch was begun that the model runs now; 0 when it runs none."""
        began = self._began
        return time.monotonic() - began if began else 0.0

    def join(self, timeout: float) -> None:
        """Wait for both threads, once the queue was stopped."""
        end = time.monotonic() + timeout
        for thread in list(self._threads.values()):
            thread.join(max(0.0, end - time.monotonic()))

    def _begin(self, name: str) -> None:
        thread = Thread(
            target=self._guarded, args=(name,), name=f"superneurons-{name}", daemon=True
        )
        self._threads[name] = thread
        thread.start()

    def _guarded(self, name: str) -> None:
        try:
            self._loops[name]()
        except BaseException:  # whatever it was, somebody has to go on
            _LOG.exception("The %s thread died; another takes over.", name)
            self._died()
            self._rescue(name)
            time.sleep(_REST)  # a thread that always dies must not take the machine
            self._begin(name)

    def _rescue(self, name: str) -> None:
        """Put back what the dead thread held, unless it has killed two."""
        held, self._held[name] = self._held[name], ()
        again = []
        for ticket in held:
            ticket.attempts += 1
            if ticket.attempts < _MOST_ATTEMPTS:
                again.append(ticket)
                continue
            failure = ServiceError(
                f"The worker died on this job {ticket.attempts} times.",
                mend="Leave it out, or look into the log of the service.",
            )
            ticket.fail(failure)
        self._waiting.put_back(again)

    def _preparing(self) -> None:
        while True:
            # A batch is made when it can be handed over at once: until then it can grow.
            self._handover.wait_free()
            tickets = self._waiting.take(lambda: self.idle)
            if tickets is None:
                self._handover.put(None)
                return
            self._held["prepare"] = tickets
            made = self._prepare(tickets)
            if made is not None:
                self._handover.put((tickets, made))
            self._held["prepare"] = ()

    def _running(self) -> None:
        while True:
            given = self._handover.get()
            if given is None:
                return
            self._held["model"], made = given
            self._began = time.monotonic()
            try:
                self._run(made)
            finally:
                self._began = 0.0
            self._held["model"] = ()
            self._waiting.look_again()
