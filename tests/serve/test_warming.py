from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from serve.fitted import bright
from superneurons.serve.pace import Pace
from superneurons.serve.routes import Route, base_route, route_of
from superneurons.serve.spelling import Speller
from superneurons.serve.warming import warm
from superneurons.shortcut.cascade_run import GoneOn
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.model import VLM

Change: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
SOME = ("bright", "heads", "lettered", "shades", "paper", "cascade", "generated")


class Told(Pace):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.seconds_in_all = 0.0

    def saw(self, size: int, seconds: float) -> None:
        self.sizes.append(size)
        self.seconds_in_all += seconds
        super().saw(size, seconds)


def test_every_kind_answers_before_anybody_asks(vlm: VLM, kinds: Mapping[str, Estimator]) -> None:
    speller, pace = Speller(vlm), Told()
    routes = {name: route_of(name, kinds[name], speller, None) for name in SOME}
    begun = time.monotonic()
    assert warm(routes, base_route(vlm), speller, pace, most=4) == routes
    spent = time.monotonic() - begun
    rows = [3 if name == "paper" else 1 for name in SOME]
    assert pace.sizes == [n for row in rows for n in (row, row, 4 * row)] + [1]
    assert 0 < pace.seconds_in_all <= spent


@pytest.mark.parametrize(("most", "together"), [(1, 1), (8, 8), (64, 8)])
def test_a_full_batch_is_tried_but_no_large_one(
    llava: VLM, small: SuperNeuronClassifier, most: int, together: int
) -> None:
    pace = Told()
    warm({"bright": route_of("bright", small, None, None)}, None, None, pace, most)
    assert pace.sizes == [1, 1, together], "without a base model nobody asks it"


@pytest.fixture(scope="module")
def small(llava: VLM) -> SuperNeuronClassifier:
    return bright(llava, max_layer=1)


@pytest.fixture(scope="module")
def every(llava: VLM) -> SuperNeuronClassifier:
    """It reads all neurons of a layer."""
    return bright(llava, max_layer=1, read_out="logistic")


def warned(
    route: Route, speller: Speller | None, change: Change, patch: pytest.MonkeyPatch
) -> tuple[Route, list[str]]:
    """The route after warming up where a shared pass reads something else, and what is said."""
    real = GoneOn.activations

    def off(self: GoneOn, layer: int) -> NDArray[np.float16]:
        return change(real(self, layer))

    patch.setattr(GoneOn, "activations", off)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        (found,) = warm({"bright": route}, None, speller, Pace()).values()
    return found, [str(w.message) for w in said if w.category is AccelerationWarning]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda x: x * np.float16(1.15), True),
        (lambda x: x * np.float16(0.85), True),
        (lambda x: x * np.float16(3), False),
        (lambda x: -x, False),
        (lambda x: x + np.float16(3), False),
        (lambda x: np.where(np.arange(x.shape[-1]) % 32 == 0, np.float16(50), x), True),
        (lambda x: np.where(np.arange(x.shape[-1]) % 4 == 0, np.float16(50), x), False),
    ],
)
def test_a_shared_pass_may_round_and_not_read_something_else(
    every: SuperNeuronClassifier,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    same: bool,
) -> None:
    route = route_of("bright", every, None, None)
    found, said = warned(route, None, change, monkeypatch)
    assert len(every.neurons_) == 32
    assert found.shared == same
    assert len(said) == (not same)


@pytest.mark.parametrize("threshold", [None, 2.0])
def test_neurons_that_are_others_in_a_shared_pass_go_by_themselves(
    llava: VLM,
    small: SuperNeuronClassifier,
    monkeypatch: pytest.MonkeyPatch,
    threshold: float | None,
) -> None:
    speller = Speller(llava)
    route = route_of("bright", small, speller, threshold)
    found, said = warned(route, speller, lambda x: x + np.float16(3), monkeypatch)
    assert len(said) == 1
    assert "'bright' reads something else" in said[0]
    assert route.shared
    assert not found.shared
    assert found.swift
    assert found.stops == route.stops, "how sure it has to be is not lost"
    alone = route_of("bright", bright(llava, max_layer=1, acceleration="off"), None, None)
    assert found.lane == alone.lane != route.lane
