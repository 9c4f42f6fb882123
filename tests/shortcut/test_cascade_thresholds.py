from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.shortcut.cascade_thresholds import choose_thresholds, stopped_at

Table = tuple[NDArray[np.float64], NDArray[np.bool_]]


def made_up(n: int, stages: int, seed: int = 0) -> Table:
    """Stages that are right as often as they are sure, the later the surer."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(2 + 2 * np.arange(stages), 2, size=(n, stages)) / 2 + 0.5
    return confidence, rng.random((n, stages)) < confidence


def outcome(table: Table, costs: list[float], thresholds: tuple[float, ...]) -> tuple[float, float]:
    stage = stopped_at(table[0], thresholds)
    rows = np.arange(len(stage))
    return float(table[1][rows, stage].mean()), float(np.array(costs)[stage].mean())


@pytest.mark.parametrize("stages", [2, 3, 4])
@pytest.mark.parametrize("target", [0.6, 0.75, 0.85, 1.0])
def test_no_other_thresholds_are_cheaper(stages: int, target: float) -> None:
    for seed in range(6):
        table, costs = made_up(9, stages, seed), [1.0, 3.0, 3.0, 9.0][:stages]
        found = choose_thresholds(*table, costs, target=target)
        known = [sorted({0.0, *column, np.inf}) for column in table[0].T[:-1]]
        tried = [outcome(table, costs, thresholds) for thresholds in product(*known)]
        enough = [cost for accuracy, cost in tried if accuracy >= target - 1e-9]
        best = max(accuracy for accuracy, _ in tried)
        assert found.met == bool(enough)
        if enough:
            assert found.cost == pytest.approx(min(enough))
        else:
            assert found.accuracy == pytest.approx(best)
            reach = [cost for accuracy, cost in tried if accuracy >= best - 1e-9]
            assert found.cost == pytest.approx(min(reach))


@pytest.mark.parametrize(("n", "stages"), [(40, 2), (300, 3), (300, 4), (150, 5)])
def test_what_it_says_is_what_the_thresholds_give(n: int, stages: int) -> None:
    costs = list(np.linspace(2, 30, stages))
    for seed in range(3):
        table = made_up(n, stages, seed)
        found = choose_thresholds(*table, costs, target=0.8)
        assert (found.accuracy, found.cost) == pytest.approx(
            outcome(table, costs, found.thresholds)
        )
        assert found.met == (found.accuracy >= 0.8 - 1e-9)


def test_it_is_never_below_a_target_that_it_calls_met() -> None:
    for seed in range(20):
        table = made_up(50, 3, seed)
        end = table[1][:, -1].mean()
        found = choose_thresholds(*table, [1, 5, 10], target=end)
        assert found.met  # going to the end always is
        assert found.accuracy >= end - 1e-9


def test_more_accuracy_never_costs_less() -> None:
    for seed in range(5):
        table = made_up(200, 3, seed)
        found = [choose_thresholds(*table, [2, 7, 30], target=t) for t in np.linspace(0.5, 1, 26)]
        costs = [one.cost for one in found]
        assert costs == sorted(costs)
        assert costs[0] < costs[-1]
        reached = [one.accuracy for one in found if not one.met]
        assert len(set(reached)) <= 1


def test_the_order_of_the_records_plays_no_part() -> None:
    confidence, right = made_up(120, 4)
    expected = choose_thresholds(confidence, right, [0.1, 0.2, 0.7, 1.3], target=0.9)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(120)
        found = choose_thresholds(confidence[order], right[order], [0.1, 0.2, 0.7, 1.3], target=0.9)
        assert found == expected


def test_a_stage_that_knows_nothing_is_passed_over_and_one_that_knows_all_ends_it() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, size=(100, 3))
    right = np.ones((100, 3), dtype=bool)
    right[:, 0] = False
    found = choose_thresholds(confidence, right, [1, 2, 3], target=1.0)
    assert found.thresholds == (np.inf, 0.0)
    assert (found.accuracy, found.cost) == (1.0, 2.0)


def test_equal_confidences_are_not_parted() -> None:
    confidence = np.full((4, 2), 0.75)
    right = np.array([[True, True], [True, True], [True, True], [False, True]])
    assert choose_thresholds(confidence, right, [1, 2], target=0.75).thresholds == (0.0,)
    assert choose_thresholds(confidence, right, [1, 2], target=0.8).thresholds == (np.inf,)


def test_one_stage_needs_no_threshold() -> None:
    confidence, right = made_up(20, 1)
    found = choose_thresholds(confidence, right, [5.0], target=1.0)
    assert found.thresholds == ()
    assert (found.accuracy, found.cost) == (right.mean(), 5.0)
    assert stopped_at(confidence, ()).tolist() == [0] * 20


def test_all_that_cannot_be_is_said_at_once() -> None:
    confidence, right = made_up(10, 3)
    confidence[0, 0] = np.nan
    with pytest.raises(DataError) as caught:
        choose_thresholds(confidence, right, [3, 2], target=1.5)
    assert [problem.where for problem in caught.value.problems] == [
        "confidence", "costs", "costs", "target",
    ]  # fmt: skip
    with pytest.raises(DataError, match="records, stages"):
        choose_thresholds(made_up(10, 3)[0], right[:5], [1, 2, 3], target=0.9)
    with pytest.raises(DataError, match="records, stages"):
        choose_thresholds(np.zeros((0, 2)), np.zeros((0, 2), dtype=bool), [1, 2], target=0.9)


def test_caution_does_not_let_luck_cancel_errors() -> None:
    """An early stage that is wrong on some records, and right on as many that the end misses."""
    confidence = np.full((100, 2), 0.9)
    confidence[60:, 0] = 0.6
    right = np.ones((100, 2), dtype=bool)
    right[60:70, 0] = right[70:80, 1] = False
    bold = choose_thresholds(confidence, right, [1, 9], target=0.9, end=1)
    wary = choose_thresholds(confidence, right, [1, 9], target=0.9, end=1, caution=1.0)
    assert bold.thresholds == (0.0,)  # 90 % as the end, for a ninth of the cost
    assert wary.thresholds == (0.75,)  # where it never differs from the end
    assert wary.met
    assert wary.accuracy == 0.9


def test_caution_wants_more_than_a_target_and_falls_back_to_the_best() -> None:
    for seed in range(8):
        table = made_up(120, 3, seed)
        found = [
            choose_thresholds(*table, [1, 4, 9], target=0.75, caution=caution)
            for caution in (0.0, 1.0, 2.0, 50.0)
        ]
        assert [one.cost for one in found[:3]] == sorted(one.cost for one in found[:3])
        best = choose_thresholds(*table, [1, 4, 9], target=1.0)
        assert found[3].accuracy == best.accuracy
        assert found[3].met == (best.accuracy >= 0.75)
        costs = [
            choose_thresholds(*table, [1, 4, 9], target=target, caution=1.0).cost
            for target in np.linspace(0.5, 1, 11)
        ]
        assert costs == sorted(costs)


def test_going_to_the_end_is_always_safe_enough() -> None:
    for seed in range(8):
        confidence, right = made_up(60, 3, seed)
        end = float(right[:, 2].mean())
        found = choose_thresholds(confidence, right, [1, 4, 9], target=end, end=2, caution=3.0)
        assert found.met
