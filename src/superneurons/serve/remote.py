"""Another service, asked where no local answer is sure enough."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from superneurons.serve.batching import Ticket
from superneurons.serve.counters import Counters
from superneurons.serve.jobs import Answer, Job

__all__ = ["Remote"]

_LOG = logging.getLogger("superneurons.serve")
_AT_ONCE = 8


class Remote:
    """Settles jobs: with the local answer, or that of another service where it is unsure.

    The model never waits for the other service; where that fails, the local answer counts.

    Parameters
    ----------
    ask
        Takes the job, returns the answer; ``None``: there is no other service.
    counters
        Told when it failed.
    """

    def __init__(self, ask: Callable[[Job], Answer] | None, counters: Counters) -> None:
        self._ask, self._counters = ask, counters
        self._open: dict[Ticket, Answer] = {}
        self._pool = None if ask is None else ThreadPoolExecutor(_AT_ONCE, "superneurons-remote")

    def settle(self, ticket: Ticket, local: Answer, sure: float) -> None:
        """Answer a job.

        Parameters
        ----------
        ticket
            The job.
        local
            What the model said.
        sure
            Confidence from which that counts.
        """
        if self._pool is None or local.confidence >= sure or ticket.late:
            _give(ticket, local)
        else:
            self._open[ticket] = local
            try:
                self._pool.submit(self._asked, ticket, local)
            except RuntimeError:  # closed meanwhile
                self._open.pop(ticket, None)
                _give(ticket, local)

    def _asked(self, ticket: Ticket, local: Answer) -> None:
        assert self._ask is not None
        try:
            _give(ticket, replace(self._ask(ticket.job), depth="remote"))
        except Exception:
            _LOG.warning("The remote service failed; the local answer counts.", exc_info=True)
            self._counters.add("remote_failed")
            _give(ticket, local)
        finally:
            self._open.pop(ticket, None)

    def close(self) -> None:
        """Ask nothing more: what is still open gets its local answer."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for ticket, local in list(self._open.items()):
            _give(ticket, local)


def _give(ticket: Ticket, answer: Answer) -> None:
    with suppress(InvalidStateError):  # it has failed meanwhile
        ticket.future.set_result(answer)
