"""Classifiers on a tiny model, and engines that serve them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pictures import bright_records
from superneurons.serve.engine import ModelEngine
from superneurons.serve.jobs import Job
from superneurons.serve.loading import Estimator, Served
from superneurons.serve.settings import EngineSettings
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM


def asking(question: str, n: int = 24, seed: int = 0) -> list[Record]:
    return [replace(record, question=question) for record in bright_records(n, seed=seed)]


def bright(vlm: VLM, question: str = "Is it bright?", **params: Any) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm, **params).fit(asking(question))


def jobs(n: int, classifier: str | None = "bright", seed: int = 7, **more: Any) -> list[Job]:
    return [Job(record.images, classifier, **more) for record in bright_records(n, seed=seed)]


@contextmanager
def serving(
    vlm: VLM, estimators: Mapping[str, Estimator], remote: Any = None, **limits: Any
) -> Iterator[ModelEngine]:
    engine = ModelEngine(Served(vlm, estimators, {}), EngineSettings(**limits), remote=remote)
    try:
        yield engine
    finally:
        engine.drain(5)
