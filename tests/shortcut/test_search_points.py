from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.shortcut.search_points import Point, ShortcutSearch
from superneurons.shortcut.search_scores import Accuracies
from superneurons.vlm.prompt import Prompt

GROUPS = 40


def search_of(right: np.ndarray, costs: list[float]) -> ShortcutSearch:
    """A search whose points answered some samples rightly, shape (P, N), at some costs."""
    n = right.shape[1]
    found = Accuracies.of(right, np.arange(n) % 2, np.arange(n))
    rows = zip(found.values.tolist(), found.errors.tolist(), costs, strict=True)
    points = tuple(
        Point(None, "residual", "last_prompt", "picture-first", depth, value, error,
              (value - error, value + error), cost, 10 / cost)
        for depth, (value, error, cost) in enumerate(rows, start=1)
    )  # fmt: skip
    return ShortcutSearch(points, found, {"records": n})


@st.composite
def searches(draw: Any) -> ShortcutSearch:
    n_points = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    right = rng.random((n_points, GROUPS)) < rng.random((n_points, 1))
    costs = [float(draw(st.integers(1, 6))) for _ in range(n_points)]
    return search_of(right, costs)


def beats(one: Point, other: Point) -> bool:
    no_worse = one.cost_ms <= other.cost_ms and one.accuracy >= other.accuracy
    return no_worse and (one.cost_ms, one.accuracy) != (other.cost_ms, other.accuracy)


@given(searches())
def test_the_front_is_what_nothing_beats(search: ShortcutSearch) -> None:
    front = search.front()
    places = {(point.cost_ms, point.accuracy) for point in front}
    assert len(places) == len(front)
    for point in search.points:
        beaten = any(beats(other, point) for other in search.points)
        assert ((point.cost_ms, point.accuracy) in places) == (not beaten)
    assert [p.cost_ms for p in front] == sorted(p.cost_ms for p in front)
    assert [p.accuracy for p in front] == sorted(p.accuracy for p in front)


@given(searches(), st.none() | st.floats(0.5, 7), st.none() | st.floats(0, 1))
def test_a_choice_keeps_to_its_limits(
    search: ShortcutSearch, latency: float | None, accuracy: float | None
) -> None:
    fit = [
        p for p in search.points
        if (latency is None or p.cost_ms <= latency)
        and (accuracy is None or p.accuracy >= accuracy)
    ]  # fmt: skip
    limits: dict[str, Any] = {"max_latency_ms": latency, "min_accuracy": accuracy}
    if not fit:
        with pytest.raises(DataError, match=f"No point of {len(search.points)} keeps to"):
            search.choose(**limits)
        return
    chosen = search.choose(**limits)
    assert chosen in fit
    if accuracy is not None:
        assert chosen.cost_ms == min(p.cost_ms for p in fit)
    assert not any(beats(p, chosen) and p.cost_ms == chosen.cost_ms for p in fit)


@given(searches(), st.randoms(use_true_random=False))
def test_the_order_of_the_points_does_not_matter(search: ShortcutSearch, random: Any) -> None:
    order = list(range(len(search.points)))
    random.shuffle(order)
    other = ShortcutSearch(
        tuple(search.points[i] for i in order),
        Accuracies(*(getattr(search.accuracies, name)[order]
                     for name in ("values", "deviations", "floor"))),
        search.settings,
    )  # fmt: skip

    def place(point: Point) -> tuple[float, float]:
        return point.cost_ms, point.accuracy

    assert list(map(place, search.front())) == list(map(place, other.front()))
    best = search.choose(min_accuracy=max(p.accuracy for p in search.points))
    assert place(best) == place(other.choose(min_accuracy=max(p.accuracy for p in search.points)))


def right_but_for(*wrong: int) -> np.ndarray:
    """Each way is wrong on the first so many of 200 samples."""
    return np.array([np.arange(200) >= n for n in wrong])


def test_by_default_the_cheapest_that_is_not_clearly_behind() -> None:
    search = search_of(right_but_for(40, 11, 10), [1.0, 2.0, 3.0])
    assert search.choose().cost_ms == 2
    assert search.choose(within=0.2).cost_ms == 1


def test_one_standard_error_of_the_difference_is_not_clearly_behind() -> None:
    """Of few samples, eleven wrong answers and ten are as good as each other."""
    rng = np.random.default_rng(0)
    right = np.ones((2, 60), bool)
    right[0, rng.permutation(60)[:11]] = False
    right[1, rng.permutation(60)[:10]] = False
    assert search_of(right, [1.0, 2.0]).choose(within=0).cost_ms == 1
    subset = search_of(right_but_for(20, 10), [1.0, 2.0])
    assert subset.choose(within=0).cost_ms == 2


def test_a_limit_on_latency_takes_the_best_that_is_left() -> None:
    search = search_of(right_but_for(80, 40, 0), [1.0, 2.0, 3.0])
    assert search.choose(max_latency_ms=2.5).cost_ms == 2


def test_what_cannot_be_met_is_said_with_the_nearest() -> None:
    search = search_of(right_but_for(80, 40, 10), [1.0, 2.0, 3.0])
    with pytest.raises(DataError) as slow:
        search.choose(max_latency_ms=0.5)
    assert "at most 0.5 ms" in str(slow.value)
    assert "layer 1, picture-first, own resolution: 60.0% at 1 ms" in str(slow.value)
    with pytest.raises(DataError) as poor:
        search.choose(min_accuracy=0.99)
    assert "at least 99.0%" in str(poor.value)
    assert "95.0% at 3 ms" in str(poor.value)
    with pytest.raises(DataError) as both:
        search.choose(max_latency_ms=2, min_accuracy=0.9)
    assert "80.0% at 2 ms" in str(both.value)
    assert "95.0% at 3 ms" in str(both.value)


@pytest.mark.parametrize(
    "limits",
    [{"max_latency_ms": 0}, {"max_latency_ms": float("nan")}, {"min_accuracy": 95}, {"within": -1}],
)
def test_limits_out_of_range_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(DataError, match="out of range") as refused:
        search_of(right_but_for(1), [1.0]).choose(**limits)
    assert next(iter(limits)) in str(refused.value)


def test_what_runs_is_told_by_the_site() -> None:
    deep = Point(64, "residual", "last_prompt", "picture-first", 3, 0.9, 0.1, (0.8, 1.0), 2.0, 5.0)
    tower = Point(None, "vision", "last_prompt", "picture-first", 3, 0.9, 0.1, (0.8, 1), 2.0, 5.0)
    assert (deep.exit_layer, tower.exit_layer) == (3, 0)
    assert str(deep) == "residual, layer 3, picture-first, 64 pixels: 90.0% at 2 ms"
    assert deep.prompt == Prompt()
    worded = replace(deep, template="{pictures}{question}")
    assert str(worded) == "residual, layer 3, own template, 64 pixels: 90.0% at 2 ms"
    assert worded.prompt == Prompt(template="{pictures}{question}")
    assert worded.as_dict()["template"] == worded.template


def test_it_is_json() -> None:
    search = search_of(right_but_for(80, 10), [1.0, 2.0])
    told = json.loads(json.dumps(search.as_dict()))
    assert told["settings"] == {"records": 200}
    assert [point["depth"] for point in told["points"]] == [1, 2]
    assert told["front"] == told["points"]
    assert told["points"][0]["cost_ms"] == 1
