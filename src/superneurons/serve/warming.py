"""Every classifier answers once before anybody asks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from superneurons.serve.batching import Ticket
from superneurons.serve.jobs import Job
from superneurons.serve.pace import Pace
from superneurons.serve.passes import Found, run_batch
from superneurons.serve.preparing import member_of, prepare
from superneurons.serve.routes import Route
from superneurons.serve.spelling import Speller
from superneurons.serve.vision_cache import Bounded
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.graphs import AccelerationWarning

__all__ = ["warm"]

_SIDE = 448
_TOGETHER = 8
# Nine activations of ten may differ by so much of their size: rounding goes another way.
_MOST_APART, _LEAST = 0.25, 1e-6


def warm(
    routes: Mapping[str, Route],
    base: Route | None,
    speller: Speller | None,
    pace: Pace,
    most: int = 8,
) -> dict[str, Route]:
    """Let every classifier answer a picture of noise, and compare a shared pass with its own.

    Parameters
    ----------
    routes, base
        How each is asked.
    speller
        Of the base model, where its logits are there.
    pace
        Told how long they take, one by one and together.
    most
        Questions in a batch at most.

    Returns
    -------
    dict
        The routes; those whose neurons are others in a shared pass go by themselves.

    Raises
    ------
    DataError, ModelError
        When one can't answer.

    Warns
    -----
    AccelerationWarning
        When one has to go by itself.
    """
    found = {}
    for name, route in routes.items():
        only = replace(route, stops=(replace(route.stops[0], threshold=0.0),))
        first = _asked(only, speller, pace)
        found[name] = route if _same(route, first) else _apart(route)
        _asked(found[name], speller, pace)
        _asked(found[name], speller, pace, min(most, _TOGETHER))
    if base is not None:
        _asked(base, speller, pace)
    return found


def _job(route: Route, seed: int = 0) -> Job:
    from PIL import Image

    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8))
    options = None if route.labels else ("yes", "no")
    return Job((picture,), route.name, None if route.question else "Is it?", options)


def _asked(route: Route, speller: Speller | None, pace: Pace, n: int = 1) -> Found:
    tickets = [Ticket(_job(route, seed), route.lane, route=route) for seed in range(n)]
    begun = time.monotonic()
    batch = prepare([member_of(ticket, speller) for ticket in tickets])
    found = run_batch(batch, Bounded(0))
    pace.saw(len(batch.asked), time.monotonic() - begun)
    return found[0]


def _same(route: Route, found: Found) -> bool:
    """Whether a shared pass reads what the classifier's own does."""
    classifier = route.estimator
    if route.swift or not isinstance(classifier, SuperNeuronClassifier) or found.values is None:
        return True
    record = route.record(_job(route))
    inputs = route.vlm.encode(classifier.asked([record]), route.prompt)
    expected = classifier.early_exit(route.vlm)(inputs).cpu().numpy()
    gap = np.abs(found.values.astype(np.float32) - expected)
    scale = np.abs(expected) + np.abs(expected).mean()
    return bool(np.quantile(gap / np.maximum(scale, _LEAST), 0.9) <= _MOST_APART)


def _apart(route: Route) -> Route:
    warnings.warn(
        f"{route.name!r} reads something else in a pass that is shared than in its own. It goes by "
        "itself, which is slower.",
        AccelerationWarning,
        stacklevel=4,
    )
    return replace(route, shared=False, lane=(*route.lane[:-1], route.name))
