"""An engine without a model: it answers by how bright a picture is."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from superneurons.errors import BusyError, DataError, DeadlineError
from superneurons.serve.jobs import Answer, Fitted, Job, Vote

__all__ = ["BRIGHT", "CHOICES", "SHADE", "ShadeEngine", "brightness"]

BRIGHT = Fitted("bright", "Is it bright?", ("no", "yes"), 2, 6, 0.6, {"base_model": "tiny/shades"})
SHADE = Fitted("shade", "How bright is it?", ("dark", "grey", "pale"), 3, 6)
CHOICES = Fitted("choices", None, (), 3, 6)


def brightness(job: Job) -> float:
    """Mean of the first picture's values, from 0 to 1."""
    return float(np.asarray(job.pictures[0], dtype=np.float64).mean() / 255)


class ShadeEngine:
    """Implements the protocol in full: a bounded queue, deadlines, cancelling, draining.

    Parameters
    ----------
    base
        Whether the base model's logits are there.
    workers, seconds
        Jobs answered at a time, and how long each takes.
    queue
        Jobs that may wait.
    failure
        Says of a job with which error it fails; ``None`` answers it.
    """

    def __init__(
        self,
        *,
        base: bool = True,
        workers: int = 4,
        seconds: float = 0.0,
        queue: int = 1000,
        failure: Callable[[Job], Exception | None] = lambda _job: None,
    ) -> None:
        self._base, self._seconds, self._queue, self._failure = base, seconds, queue, failure
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers)
        self._lock = threading.Lock()
        self._draining = self.stuck = False
        self.pending: set[Future[Answer]] = set()
        self.jobs: list[Job] = []
        self.counts = {"answered": 0, "refused": 0, "cancelled": 0, "expired": 0, "failed": 0}

    @property
    def classifiers(self) -> Mapping[str, Fitted]:
        return {fitted.name: fitted for fitted in (BRIGHT, SHADE, CHOICES)}

    @property
    def base_model(self) -> str:
        return "tiny/shades"

    @property
    def asks_base(self) -> bool:
        return self._base

    @property
    def ready(self) -> bool:
        return not self._draining and not self.stuck

    def submit(self, job: Job) -> Future[Answer]:
        options = self._options(job)
        with self._lock:
            self._admit()
            self.jobs.append(job)
            future = self._pool.submit(self._answer, job, options)
            self.pending.add(future)
        future.add_done_callback(self._done)
        return future

    def state(self) -> Mapping[str, float]:
        with self._lock:
            return {"queued": len(self.pending), **self.counts}

    def drain(self, timeout: float) -> bool:
        self._draining = True
        end = time.monotonic() + timeout
        while self.pending and time.monotonic() < end:
            time.sleep(0.01)
        return not self.pending

    def _admit(self) -> None:
        if self._draining:
            self.counts["refused"] += 1
            raise BusyError("The service is stopping.")
        if len(self.pending) >= self._queue + self._workers:
            self.counts["refused"] += 1
            raise BusyError("The queue is full.", retry_after=1.5)

    def _options(self, job: Job) -> tuple[str, ...]:
        if job.classifier is None and not self._base:
            raise DataError("The base model was not kept.", mend="Start it with --base.")
        if job.classifier is not None and job.classifier not in self.classifiers:
            raise DataError(f"There is no classifier {job.classifier!r}.")
        fitted = None if job.classifier is None else self.classifiers[job.classifier]
        options = job.options if fitted is None or not fitted.labels else fitted.labels
        if not options:
            raise DataError("There are no options.", mend="Name them.")
        return options

    def _answer(self, job: Job, options: tuple[str, ...]) -> Answer:
        started = time.monotonic()
        if started > job.deadline:
            raise DeadlineError("There was no time left.")
        time.sleep(self._seconds)
        error = self._failure(job)
        if error is not None:
            raise error
        bright = brightness(job)
        places = [index / max(1, len(options) - 1) for index in range(len(options))]
        weights = [math.exp(-8 * abs(bright - place)) for place in places]
        shares = [weight / sum(weights) for weight in weights]
        best = max(range(len(options)), key=shares.__getitem__)
        vote = Vote(2, 17, bright, options[best])
        base = job.classifier is None
        return Answer(
            options[best],
            dict(zip(options, shares, strict=True)),
            shares[best],
            depth="base" if base else "exit",
            layers=6 if base else self.classifiers[str(job.classifier)].exit_layer,
            label_mass=0.9 if base else None,
            input_tokens=21,
            waited_ms=0.1,
            ran_ms=1000 * (time.monotonic() - started),
            votes=(vote,) if job.explain else (),
        )

    def _done(self, future: Future[Answer]) -> None:
        if future.cancelled():
            kind = "cancelled"
        elif isinstance(future.exception(), DeadlineError):
            kind = "expired"
        else:
            kind = "failed" if future.exception() else "answered"
        with self._lock:
            self.pending.discard(future)
            self.counts[kind] += 1
