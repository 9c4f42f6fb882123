"""The engine: one base model, the classifiers on it, and the jobs that they answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from superneurons.errors import BusyError, DataError, DeadlineError
from superneurons.serve.answering import Answered, answer_of
from superneurons.serve.batch_limit import BatchLimit
from superneurons.serve.batching import Ticket, Waiting
from superneurons.serve.counters import Counters
from superneurons.serve.jobs import Answer, Fitted, Job
from superneurons.serve.pace import Pace
from superneurons.serve.passes import run_batch
from superneurons.serve.preparing import Batch, Member, member_of, prepare
from superneurons.serve.remote import Remote
from superneurons.serve.routes import Route, base_route, route_of
from superneurons.serve.settings import EngineSettings
from superneurons.serve.spelling import Speller
from superneurons.serve.splitting import one_by_one
from superneurons.serve.vision_cache import Bounded, Parts
from superneurons.serve.warming import warm
from superneurons.serve.worker import Worker

if TYPE_CHECKING:
    from superneurons.serve.loading import Served

__all__ = ["ModelEngine"]

_JOINING = 5.0


class ModelEngine:
    """Answers jobs in batches of its own making; see :class:`~superneurons.serve.jobs.Engine`.

    Parameters
    ----------
    served
        What :func:`~superneurons.serve.loading.load_served` opened.
    settings
        Limits and thresholds.
    remote
        Another service that is asked where the last local answer isn't sure enough: takes the job,
        returns its answer or raises. By default there is none.

    Raises
    ------
    DataError, ModelError
        When a classifier can't answer a picture made up to warm it up.

    Examples
    --------
    >>> engine = ModelEngine(load_served([Path("dark")]))  # doctest: +SKIP
    >>> engine.submit(Job((picture,), "dark")).result().label  # doctest: +SKIP
    'yes'
    """

    def __init__(
        self,
        served: Served,
        settings: EngineSettings | None = None,
        *,
        remote: Callable[[Job], Answer] | None = None,
    ) -> None:
        self._served, self._settings = served, settings or EngineSettings()
        vlm, limits = served.vlm, self._settings
        # A cascade may end in the base model's logits even where nobody else is to ask for them.
        self._speller = Speller(vlm) if vlm.depth == vlm.n_layers else None
        asked = None if limits.base is False else self._speller
        self._base = None if asked is None else base_route(vlm)
        self._routes = {
            name: route_of(name, estimator, asked, limits.thresholds.get(name))
            for name, estimator in served.estimators.items()
        }
        self._counters, self._pace = Counters(), Pace()
        self._features: Bounded[Parts] = Bounded(limits.cache_bytes)
        self._answers: Bounded[Answered] = Bounded(limits.cache_bytes)
        self._limit = BatchLimit(limits.max_batch, cautious_for=limits.cautious_for)
        self._waiting = Waiting(limits, self._pace, self._limit)
        self._remote = Remote(remote, self._counters)
        self._last = 0.0
        self._routes = warm(self._routes, self._base, self._speller, self._pace, limits.max_batch)
        self._worker: Worker[list[Batch]] = Worker(
            self._waiting, self._prepare, self._run, lambda: self._counters.add("worker_deaths")
        )
        self._worker.start()

    @property
    def classifiers(self) -> Mapping[str, Fitted]:
        """The classifiers served, by name."""
        thresholds = self._settings.thresholds
        return {
            name: Fitted(
                name, route.question, route.labels, route.deepest, route.vlm.n_layers,
                thresholds.get(name), self._served.about.get(name, {}),
            )
            for name, route in self._routes.items()
        }  # fmt: skip

    @property
    def base_model(self) -> str:
        """The base model's name."""
        return self._served.vlm.name

    @property
    def asks_base(self) -> bool:
        """Whether the base model's own logits can be asked."""
        return self._base is not None

    @property
    def ready(self) -> bool:
        """Whether it takes jobs."""
        return not self._waiting.closed and self._worker.alive and not self.stuck

    @property
    def stuck(self) -> bool:
        """Whether a batch runs for so long that it won't end."""
        return self._worker.running_for > self._settings.stuck_after

    def submit(self, job: Job) -> Future[Answer]:
        """Queue a job; see :meth:`~superneurons.serve.jobs.Engine.submit`.

        Raises
        ------
        BusyError
            When the queue is full, the wait would be too long, or it is stopping.
        DataError
            When no such classifier is served, or it cannot be asked this.
        """
        route = self._route(job)
        ticket = Ticket(job, route.lane, route.questions(route.record(job)), route)
        try:
            self._waiting.add(ticket)
        except BusyError:
            self._counters.add("refused")
            raise
        ticket.future.add_done_callback(self._count)
        return ticket.future

    def _route(self, job: Job) -> Route:
        route = self._base if job.classifier is None else self._routes.get(job.classifier)
        if route is not None:
            return route
        if job.classifier is None:
            raise DataError(
                "The base model's own answers aren't served: not all of its layers were opened.",
                where="classifier",
                mend="Name a classifier, or start the service with the base model.",
            )
        raise DataError(
            f"No classifier {job.classifier!r} is served.",
            where="classifier",
            mend=f"Known: {', '.join(sorted(self._routes))}.",
        )

    def _count(self, future: Future[Answer]) -> None:
        if future.cancelled():
            self._counters.add("cancelled")
        elif isinstance(future.exception(), DeadlineError):
            self._counters.add("expired")
        elif future.exception() is not None:
            self._counters.add("failed")
        else:
            self._counters.add("answered")
            self._counters.add(f"answered_{future.result().depth}")

    def _prepare(self, tickets: list[Ticket]) -> list[Batch] | None:
        """Answer what is known already, and make model inputs of the rest."""
        members: list[Member] = []
        for ticket in tickets:
            one_by_one([ticket], lambda some: members.append(member_of(some[0], self._speller)))
        unknown = [member for member in members if not self._known(member)]
        batches: list[Batch] = []
        self._tried(unknown, lambda some: batches.append(prepare(some)))
        return batches or None

    def _known(self, member: Member) -> bool:
        if not self._answers.on:
            return False
        found = self._answers.get(member.handle)
        if found is not None:
            self._counters.add("remembered_answers")
            self._finish(member, found, time.monotonic())
        return found is not None

    def _tried(self, members: Sequence[Member], work: Callable[[Sequence[Member]], None]) -> None:
        """Do it for all at once, or, where that fails, for ever smaller parts."""
        if members:
            one_by_one(members, work, limit=self._limit, counters=self._counters)

    def _run(self, batches: list[Batch]) -> None:
        for batch in batches:
            first: list[Batch] = [batch]
            self._tried(
                [member for member in batch.members if not _expired(member)],
                lambda some, first=first: self._run_some(some, first),  # type: ignore[misc]
            )

    def _run_some(self, members: Sequence[Member], made: list[Batch]) -> None:
        """Run a batch as it was made, or made anew of the part that is left of it."""
        batch = made.pop() if made else None
        if batch is None or len(batch.members) != len(members):
            batch = prepare(members)
        found = run_batch(batch, self._features)
        done = time.monotonic()
        begun = min(member.ticket.begun for member in members)
        self._pace.saw(len(batch.asked), done - max(begun, self._last))
        self._last = done
        self._counters.add("batches")
        self._counters.add("questions", len(batch.asked))
        for member, own in zip(batch.members, found, strict=True):
            answer = answer_of(member, own, batch)
            self._answers.put(member.handle, answer, answer.size + member.handle_size)
            self._finish(member, answer, done)

    def _finish(self, member: Member, found: Answered, done: float) -> None:
        answer = found.at(member.ticket, done)
        self._remote.settle(member.ticket, answer, member.route.sure)

    def state(self) -> Mapping[str, float]:
        """Return sums since the start, and how things stand."""
        start, each = self._pace.line()
        return self._counters.state() | {
            "queued": float(len(self._waiting)),
            "running": float(self._waiting.accepted - len(self._waiting)),
            "batch_limit": float(self._limit.most),
            "seconds_per_batch": start,
            "seconds_per_question": each,
            "pictures_remembered": float(len(self._features)),
            "picture_hits": float(self._features.hits),
            "picture_misses": float(self._features.misses),
            "cache_bytes": float(self._features.used + self._answers.used),
        }

    def drain(self, timeout: float) -> bool:
        """Refuse new jobs, finish the accepted ones; return whether all were, in time.

        Nothing runs afterwards: jobs that weren't begun in time fail with ``BusyError``.
        """
        self._waiting.close()
        finished = self._waiting.emptied(timeout)
        self._waiting.stop(
            BusyError("The service stopped before this job began.", mend="Ask another instance.")
        )
        self._worker.join(_JOINING if finished else 0.0)
        self._remote.close()
        return finished


def _expired(member: Member) -> bool:
    if member.ticket.late:
        member.ticket.expire()
    return member.ticket.future.done()
