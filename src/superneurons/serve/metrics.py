"""What ``/metrics`` says, in Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from superneurons.serve.figures import Figure
from superneurons.serve.jobs import Answer

__all__ = ["Metrics", "Numbers"]

Numbers: TypeAlias = Callable[[], Mapping[str, float] | Sequence[Figure]]
"""Gives numbers by name, or with labels, at the moment it is called."""

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counts requests and answers, and asks others for their numbers when it is read.

    Each service has a registry of its own, so that several can live in one process.

    Parameters
    ----------
    sources
        By prefix: what gives numbers by name, such as the engine's ``state``.
    """

    def __init__(self, sources: Mapping[str, Numbers]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "superneurons_requests",
            "Requests, by route and status.",
            ("route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "superneurons_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._answers = Counter(
            "superneurons_answers",
            "Answered questions, by classifier and by how deep the answer went.",
            ("classifier", "depth"),
            registry=self._registry,
        )
        self._registry.register(_Numbers(dict(sources)))

    def requested(self, route: str, status: int, seconds: float) -> None:
        """Count a request that is over."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answered(self, classifier: str | None, answer: Answer) -> None:
        """Count an answer; those that went deeper than the exit escalated."""
        self._answers.labels(classifier or "base model", answer.depth).inc()

    def text(self) -> bytes:
        """Return all of it in the text format."""
        return generate_latest(self._registry)


class _Numbers(Collector):
    """Reads others' numbers at the moment they are asked for."""

    def __init__(self, sources: Mapping[str, Numbers]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        for prefix, numbers in self._sources.items():
            families: dict[str, GaugeMetricFamily] = {}
            for figure in _figures(numbers()):
                if figure.name not in families:
                    known = re.sub(
                        r"\W", "_", f"superneurons_{prefix}_{figure.name}", flags=re.ASCII
                    )
                    about = f"{figure.name} of the {prefix}."
                    families[figure.name] = GaugeMetricFamily(
                        known, about, labels=list(figure.labels)
                    )
                families[figure.name].add_metric(list(figure.labels.values()), figure.value)
            yield from families.values()


def _figures(found: Mapping[str, float] | Sequence[Figure]) -> Sequence[Figure]:
    if isinstance(found, Mapping):
        return [Figure(name, value) for name, value in found.items()]
    return found
