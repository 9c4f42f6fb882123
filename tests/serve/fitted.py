"""Classifiers on a tiny model, jobs for them, and engines that serve them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pictures import bright_records
from superneurons.serve.engine import ModelEngine
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.loading import Served
from superneurons.serve.settings import EngineSettings
from superneurons.shortcut.cascade import Cascade, CascadeWarning
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

WITHIN = 20
"""Seconds after which an answer is overdue."""


def asking(question: str, n: int = 24, seed: int = 0) -> list[Record]:
    return [replace(record, question=question) for record in bright_records(n, seed=seed)]


def bright(vlm: VLM, question: str = "Is it bright?", **params: Any) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm, **params).fit(asking(question))


def quietly(cascade: Cascade, records: list[Record]) -> Cascade:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CascadeWarning)
        return cascade.fit(records)


def never_sure(cascade: Estimator) -> Cascade:
    """The same cascade, whose last stage answers everything."""
    assert isinstance(cascade, Cascade)
    found = copy.copy(cascade)
    *before, last = cascade.stages_
    found.stages_ = [*(replace(stage, threshold=2.0) for stage in before), last]
    return found


def job_of(record: Record, classifier: str | None, estimator: Estimator | None, **more: Any) -> Job:
    """The job that asks what a record does."""
    own = estimator is not None and estimator.question_ is not None
    asked = None if own else record.question
    return Job(record.images, classifier, asked, record.options, **more)


def jobs(n: int, classifier: str = "bright", seed: int = 7, **more: Any) -> list[Job]:
    return [Job(record.images, classifier, **more) for record in bright_records(n, seed=seed)]


def alone(estimator: Estimator, records: Sequence[Record]) -> list[Prediction]:
    """What it answers by itself, to its own question where it has one."""
    asked = [replace(r, question=estimator.question_ or r.question) for r in records]
    return list(estimator.answers(asked))


def answers(engine: ModelEngine, asked: Sequence[Job]) -> list[Answer]:
    return [future.result(WITHIN) for future in [engine.submit(job) for job in asked]]


@contextmanager
def serving(
    vlm: VLM,
    estimators: Mapping[str, Estimator],
    remote: Callable[[Job], Answer] | None = None,
    **limits: Any,
) -> Iterator[ModelEngine]:
    """An engine, patient unless told otherwise: tests share their processor with others."""
    settings = EngineSettings(**{"max_wait": 60.0, "max_queue": 1000, **limits})
    engine = ModelEngine(Served(vlm, estimators, {}), settings, remote=remote)
    try:
        yield engine
    finally:
        engine.drain(WITHIN)
