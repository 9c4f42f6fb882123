"""From the body of a request to the answers of the engine."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

from PIL.Image import Image
from starlette.requests import ClientDisconnect, Request

from superneurons.errors import BusyError, DataError, DeadlineError, Problem, ServiceError
from superneurons.serve.asked import Asked, Plan
from superneurons.serve.doors import Doors
from superneurons.serve.errors import refused
from superneurons.serve.fetch import Fetcher
from superneurons.serve.jobs import Answer, Engine, Job
from superneurons.serve.limits import Budget, read_body
from superneurons.serve.metrics import Metrics, Numbers
from superneurons.serve.reader import Reader
from superneurons.serve.routing import Routing

__all__ = ["DEADLINE", "Observer", "Service"]

DEADLINE = "X-Deadline-Ms"
"""The header in which a request may ask for less time."""

Observer: TypeAlias = Callable[[str, Job, Answer], None]
"""Is told of each answer: the request's id, what was asked, what was answered."""

_LOG = logging.getLogger("superneurons.serve")


class Service:
    """What the endpoints share.

    Parameters
    ----------
    engine
        Answers jobs.
    doors
        What is let in.
    observers
        Are told of every answer.
    sources
        Further numbers for ``/metrics``, by prefix.
    fetcher
        Fetches pictures, where that is allowed; by default only from public addresses.
    """

    def __init__(
        self,
        engine: Engine,
        doors: Doors,
        *,
        observers: Sequence[Observer] = (),
        sources: Mapping[str, Numbers] | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.engine, self.doors = engine, doors
        self.routing = Routing(engine)
        self.budget = Budget(max(doors.max_bytes, 2 * doors.max_body))
        numbers = {"engine": engine.state, "doors": lambda: {"bytes_held": self.budget.taken}}
        self.metrics = Metrics(numbers | dict(sources or {}))
        self._observers = tuple(observers)
        self._reader = Reader(doors, fetcher)

    def close(self) -> None:
        """Let the threads go; what they are doing is finished first."""
        self._reader.close()

    async def ask(self, request: Request, understand: Callable[[Any], Plan]) -> dict[str, Any]:
        """Answer a request.

        Parameters
        ----------
        request
            Its body isn't read yet.
        understand
            Turns the parsed body into a plan; runs in a thread.

        Returns
        -------
        dict
            The body of the answer.

        Raises
        ------
        HTTPException, DataError, BusyError, DeadlineError, ServiceError
            As :func:`~superneurons.serve.errors.error_response` takes them.
        """
        if not self.engine.ready:
            raise BusyError("No questions are taken now.", mend="Ask again later, or elsewhere.")
        seconds = self._seconds(request)
        with self.budget.share() as share:
            body = await read_body(request, self.doors, share)
            deadline = time.monotonic() + seconds
            try:
                async with asyncio.timeout(seconds):
                    plan, pictures = await self._reader.read(body, understand, share)
                    del body
                    answers = await self._answers(request, _jobs(plan, pictures, deadline), plan)
            except TimeoutError as error:
                if isinstance(error, ServiceError):
                    raise
                raise DeadlineError(
                    f"There was no answer within {seconds:g} s.", mend="Ask again later."
                ) from error
        return plan.reply(answers)

    def _seconds(self, request: Request) -> float:
        asked = request.headers.get(DEADLINE)
        if asked is None:
            return self.doors.deadline_s
        if not re.fullmatch(r"[1-9]\d{0,8}", asked, re.ASCII):
            raise refused(
                400,
                f"{asked[:20]!r} is no number of milliseconds.",
                where=DEADLINE,
                mend="Give a whole number above 0.",
            )
        return min(int(asked) / 1000, self.doors.deadline_s)

    async def _answers(self, request: Request, jobs: Sequence[Job], plan: Plan) -> Sequence[Answer]:
        futures = self._submitted(jobs, plan.asked)
        waiting = asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        waiting.add_done_callback(_looked_at)
        gone = asyncio.ensure_future(_gone(request))
        try:
            either: set[asyncio.Future[Any]] = {waiting, gone}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ClientDisconnect
            answers = _all_answered(waiting.result(), plan.asked)
        finally:
            gone.cancel()
            waiting.cancel()
            for future in futures:
                future.cancel()
        self._tell(str(request.scope.get("request_id", "")), jobs, answers)
        return answers

    def _submitted(self, jobs: Sequence[Job], asked: Sequence[Asked]) -> list[Future[Answer]]:
        futures: list[Future[Answer]] = []
        problems = []
        try:
            for job, one in zip(jobs, asked, strict=True):
                try:
                    futures.append(self.engine.submit(job))
                except DataError as error:
                    problems.append(_problem(one, error))
            if problems:
                raise _unanswerable(problems, asked)
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return futures

    def _tell(self, request_id: str, jobs: Sequence[Job], answers: Sequence[Answer]) -> None:
        for job, answer in zip(jobs, answers, strict=True):
            self.metrics.answered(job.classifier, answer)
            for observer in self._observers:
                try:
                    observer(request_id, job, answer)
                except Exception:  # the answer is there, whatever becomes of those who watch
                    _LOG.exception("an observer of answers failed")


def _looked_at(waiting: asyncio.Future[Any]) -> None:
    """Look at how it ended, which asyncio reports as lost where nobody does."""
    if not waiting.cancelled():
        waiting.exception()


async def _gone(request: Request) -> None:
    """Wait until the client hangs up: its body has been read, nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _jobs(plan: Plan, pictures: Mapping[str, Image], deadline: float) -> list[Job]:
    request = object()
    return [
        Job(
            tuple(pictures[name] for name in one.pictures),
            None if one.fitted is None else one.fitted.name,
            one.question,
            one.options,
            deadline,
            plan.explain,
            request,
        )
        for one in plan.asked
    ]


def _all_answered(
    results: Sequence[Answer | BaseException], asked: Sequence[Asked]
) -> Sequence[Answer]:
    problems = []
    answers = []
    for result, one in zip(results, asked, strict=True):
        if isinstance(result, DataError):
            problems.append(_problem(one, result))
        elif isinstance(result, asyncio.CancelledError):
            raise ServiceError("The question was given up.", mend="Ask again.")
        elif isinstance(result, BaseException):
            raise result
        else:
            answers.append(result)
    if problems:
        raise _unanswerable(problems, asked)
    return answers


def _problem(one: Asked, error: DataError) -> Problem:
    return Problem(one.where, "; ".join([error.what, *map(str, error.problems[:5])]))


def _unanswerable(problems: list[Problem], asked: Sequence[Asked]) -> DataError:
    return DataError(
        f"{len(problems)} of {len(asked)} questions cannot be answered.",
        problems=problems,
        mend="Change these questions or their pictures.",
    )
