"""Who is let in: no more requests at once than are answered in the time that is promised."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from superneurons.errors import BusyError
from superneurons.serve.errors import error_response

__all__ = ["Admission", "Shedding"]

_MOST = 4096.0
# What is supposed of a request until some were answered: so many seconds, and no extremes.
_GUESS_S, _FEWEST, _MOST_AT_FIRST = 0.005, 16.0, 256.0
_GENTLEST, _HARDEST = 0.9, 0.5
# At most as many answers are late at once as are under way, and that costs a tenth of them: grown
# back by this much with each answer in time, late ones stay below one in a hundred.
_SLOWLY = 0.001
_ALL_IS_WELL = 500  # in a row in time, after which growth is faster the more there are
_KEPT = 0.8  # of what went well before, where answers are late again and again: a hiccup ends
_SHORTEST_RETRY = 0.05


class Admission:
    """Finds how many requests can be under way at once, so that 99 of 100 are answered in time.

    Whatever a request waits for (its turn on the event loop, a thread that decodes its picture, the
    model), it waits longer the more there are. So there are fewer, by a tenth to a half, once one
    was answered later than promised, though not again for those that were let in before. They
    become more with each that is in time: fast until nearly as many as then, or until the first
    was late; slowly from there on; and faster the longer all goes well.

    Parameters
    ----------
    promised
        Seconds.
    clock
        Seconds that only grow.

    Examples
    --------
    >>> admission = Admission(0.1)
    >>> begun = admission.enter()
    >>> admission.leave(begun, answered=True)
    >>> admission.under_way
    0
    """

    def __init__(self, promised: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._promised, self._clock = promised, clock
        self.limit = min(_MOST_AT_FIRST, max(_FEWEST, promised / _GUESS_S))
        self.under_way = 0
        self.refused = 0
        self._lowered = clock()
        self._proven = _MOST
        self._in_time = 0

    def now(self) -> float:
        """Return the moment."""
        return self._clock()

    def enter(self) -> float:
        """Let a request in; return the moment, for :meth:`leave`.

        Raises
        ------
        BusyError
            When there are as many as may be.
        """
        if self.under_way >= int(self.limit):
            self.refused += 1
            later = max(_SHORTEST_RETRY, self._promised)
            raise BusyError(
                f"{self.under_way} requests are under way, as many as are answered in time.",
                retry_after=later,
                mend=f"Ask again in {later:.2f} s.",
            )
        self.under_way += 1
        return self._clock()

    def leave(self, begun: float, *, answered: bool, read: float | None = None) -> None:
        """Note that a request is over.

        Parameters
        ----------
        begun
            From :meth:`enter`.
        answered
            Whether it got its answer: how long a refusal took says nothing.
        read
            When its body was there: how long a client takes to send it says nothing, either.
        """
        now = self._clock()
        crowded = self.under_way >= self.limit / 2
        self.under_way -= 1
        if not answered:
            return
        took = now - (begun if read is None else read)
        if took > self._promised:
            self._lower(begun, took, now)
        elif crowded:
            self._in_time += 1
            self.limit = min(_MOST, self.limit + self._step())

    def _lower(self, begun: float, took: float, now: float) -> None:
        if begun < self._lowered:
            return
        factor = min(_GENTLEST, max(_HARDEST, self._promised / took))
        held = min(self.limit, self.under_way + 1.0)
        before = 0.0 if self._proven == _MOST else self._proven * _KEPT
        self.limit, self._proven = max(1.0, held * factor), max(held * _GENTLEST, before)
        self._lowered, self._in_time = now, 0

    def _step(self) -> float:
        if self._proven == _MOST:
            return 1.0
        if self.limit < self._proven:
            return 1 / self.limit
        return _SLOWLY * max(1.0, self._in_time / _ALL_IS_WELL)

    def state(self) -> Mapping[str, float]:
        """Return how things stand."""
        return {
            "limit": float(int(self.limit)),
            "under_way": float(self.under_way),
            "refused": float(self.refused),
        }


class Shedding:
    """Wraps an application: refuses questions before their bodies are read, while it is busy.

    Parameters
    ----------
    app
        What is wrapped.
    admission
        Decides.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app, self._admission = app, admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; all but questions are let through."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            begun = self._admission.enter()
        except BusyError as error:
            await error_response(error)(scope, receive, send)
            return
        answered, read = False, None

        async def received() -> Message:
            nonlocal read
            message = await receive()
            if read is None and not message.get("more_body", False):
                read = self._admission.now()
            return message

        async def sent(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"] == 200
            await send(message)

        try:
            await self._app(scope, received, sent)
        finally:
            self._admission.leave(begun, answered=answered, read=read)
