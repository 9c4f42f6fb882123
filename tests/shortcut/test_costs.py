from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superneurons.activations.site import Site
from superneurons.errors import ModelError
from superneurons.shortcut.costs import Costs, Route, measure_costs, measured_depths
from superneurons.shortcut.timing import Timing
from superneurons.task.record import Record
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.model import VLM

ROUTE = Route(None, Site())


def costs_of(medians: dict[int, float]) -> Costs:
    timings = {depth: Timing(ms, ms, ms, 1) for depth, ms in medians.items()}
    return Costs(Timing(100.0, 100.0, 100.0, 1), {ROUTE: timings})


@given(st.integers(1, 200))
def test_the_first_and_the_last_depth_are_measured_and_few_between(layers: int) -> None:
    depths = measured_depths(layers)
    assert depths[0] == 1
    assert depths[-1] == layers
    assert len(depths) == len(set(depths)) == min(layers, 4)
    assert depths == sorted(depths)


@given(st.floats(1, 50), st.floats(0, 5), st.integers(1, 40))
def test_costs_between_are_those_of_a_line(start: float, slope: float, layers: int) -> None:
    costs = costs_of({depth: start + slope * depth for depth in measured_depths(layers)})
    for depth in range(1, layers + 1):
        assert costs.ms(ROUTE, depth) == pytest.approx(start + slope * depth)
        assert costs.ratio(ROUTE, depth) == pytest.approx(100 / (start + slope * depth))


@given(st.lists(st.floats(0.1, 100), min_size=4, max_size=4))
def test_no_deeper_exit_is_cheaper(medians: list[float]) -> None:
    costs = costs_of(dict(zip(measured_depths(30), medians, strict=True)))
    found = [costs.ms(ROUTE, depth) for depth in range(1, 31)]
    assert (np.diff(found) >= -1e-9).all()
    assert min(medians) - 1e-9 <= min(found) <= max(found) <= max(medians) + 1e-9


def test_exits_and_the_whole_model_take_turns(
    llava: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    early, whole = EarlyExit.__call__, VLM.last_states

    def exits(self: EarlyExit, *args: object, **more: object) -> object:
        ran.append(f"{self.kind} {self.deepest}")
        return early(self, *args, **more)  # type: ignore[arg-type]

    def runs(self: VLM, *args: object, **more: object) -> object:
        if more.get("logits"):
            ran.append("whole")
        return whole(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(EarlyExit, "__call__", exits)
    monkeypatch.setattr(VLM, "last_states", runs)
    routes = {ROUTE: 4, Route(None, Site("projector")): 1}
    told: list[tuple[int, int]] = []
    found = measure_costs(
        {None: llava}, routes, records[:2], repeats=3,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    one_round = [*(f"residual {depth}" for depth in (1, 2, 3, 4)), "projector 1", "whole"]
    assert ran == one_round * 4  # a round before those that count
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert found.reference.repeats == 3
    assert {route: list(depths) for route, depths in found.exits.items()} == {
        ROUTE: [1, 2, 3, 4], Route(None, Site("projector")): [1],
    }  # fmt: skip
    assert set(found.ways) <= {"off", "lean"}
    told_as = json.loads(json.dumps(found.as_dict()))
    assert [row["depth"] for row in told_as["exits"]] == [1, 2, 3, 4, 1]
    assert told_as["exits"][0]["median"] > 0


def test_a_model_that_was_cut_off_has_nothing_to_compare_with(
    llava: VLM, records: list[Record]
) -> None:
    with pytest.raises(ModelError, match="gives no logits"):
        measure_costs({None: llava.truncated(1)}, {ROUTE: 1}, records[:1])


def test_a_route_says_its_site_and_its_size() -> None:
    assert str(ROUTE) == "residual, own resolution"
    assert str(Route(96, Site("mlp", "image_mean"))) == "mlp@image_mean, 96 pixels"


def test_beyond_what_was_measured_the_nearest_depth_tells() -> None:
    costs = costs_of({2: 10.0, 6: 30.0})
    assert [costs.ms(ROUTE, depth) for depth in (1, 2, 4, 6, 9)] == [10, 10, 20, 30, 30]


def test_medians_that_fall_are_averaged() -> None:
    costs = costs_of({1: 10.0, 2: 30.0, 3: 20.0, 4: 40.0})
    assert [costs.ms(ROUTE, depth) for depth in (1, 2, 3, 4)] == [10, 25, 25, 40]
    assert costs.ratio(ROUTE, 3) == 4


def test_as_json_every_exit_has_its_route_and_its_quartiles() -> None:
    exits = {
        ROUTE: {1: Timing(2.0, 1.0, 3.0, 5), 4: Timing(6.0, 5.0, 7.0, 5)},
        Route(32, Site("vision")): {2: Timing(1.5, 1.0, 2.0, 5)},
    }
    found = Costs(Timing(9.0, 8.0, 10.0, 5), exits, 8, {"lean": "no CUDA"}).as_dict()
    assert json.loads(json.dumps(found)) == {
        "batch": 8,
        "neurons_read": 100,
        "whole_model": {"median": 9.0, "low": 8.0, "high": 10.0, "repeats": 5},
        "exits": [
            {"route": "residual, own resolution", "depth": 1,
             "median": 2.0, "low": 1.0, "high": 3.0, "repeats": 5},
            {"route": "residual, own resolution", "depth": 4,
             "median": 6.0, "low": 5.0, "high": 7.0, "repeats": 5},
            {"route": "vision, 32 pixels", "depth": 2,
             "median": 1.5, "low": 1.0, "high": 2.0, "repeats": 5},
        ],
        "ways": {"lean": "no CUDA"},
    }  # fmt: skip
