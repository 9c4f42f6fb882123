from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from serve.fitted import bright
from superneurons.serve.pace import Pace
from superneurons.serve.routes import base_route, route_of
from superneurons.serve.spelling import Speller
from superneurons.serve.warming import warm
from superneurons.shortcut.cascade_run import GoneOn
from superneurons.shortcut.estimator import Estimator
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.model import VLM

SOME = ("bright", "heads", "lettered", "cascade")


def test_every_kind_answers_before_anybody_asks(vlm: VLM, kinds: Mapping[str, Estimator]) -> None:
    speller, pace = Speller(vlm), Pace()
    routes = {name: route_of(name, kinds[name], speller, None) for name in SOME}
    assert warm(routes, base_route(vlm), speller, pace, most=4) == routes
    start, each = pace.line()
    assert start + each > 0


def test_neurons_that_are_others_in_a_shared_pass_go_by_themselves(
    llava: VLM, kinds: Mapping[str, Estimator], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = GoneOn.activations

    def off(self: GoneOn, layer: int) -> NDArray[np.float16]:
        return real(self, layer) + np.float16(3)

    monkeypatch.setattr(GoneOn, "activations", off)
    route = route_of("bright", bright(llava, max_layer=1), None, None)
    with pytest.warns(AccelerationWarning, match="'bright' reads something else"):
        (found,) = warm({"bright": route}, None, None, Pace()).values()
    assert route.shared
    assert not found.shared
    assert found.swift
    assert found.lane != route.lane
