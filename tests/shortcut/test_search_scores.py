from __future__ import annotations

import numpy as np
import pytest

from superneurons.errors import DataError
from superneurons.shortcut.search_scores import Accuracies, DepthTrial

N, LAYERS, WIDTH = 120, 4, 30


def layered(knows: int, strength: float = 1.5, classes: int = 2, seed: int = 0) -> tuple:
    """States of which one layer (from 1) knows the class, labels, and groups of two."""
    rng = np.random.default_rng(seed)
    y = np.array(["a", "b", "c"])[np.arange(N) // 2 % classes]
    states = rng.normal(size=(N, LAYERS, WIDTH)).astype(np.float16)
    for label in "abc"[:classes]:
        states[y == label, knows - 1, :10] += strength * rng.normal(size=10)
    return states, y, np.arange(N) // 2


def trial_of(states: np.ndarray, y: np.ndarray, groups: np.ndarray) -> DepthTrial:
    flat = states.reshape(len(states), -1)
    return DepthTrial.of(flat, y, groups, n_folds=4, seed=0)


def accuracies(states: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Accuracies:
    trial = trial_of(states, y, groups)
    return Accuracies.of(trial.right(states), trial.codes, trial.groups)


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_known_from_the_layer_that_knows_it(classes: int) -> None:
    found = accuracies(*layered(3, classes=classes))
    assert found.values.shape == (LAYERS,)
    assert found.values[:2].max() < 1 / classes + 0.2
    assert found.values[2:].min() > 0.85


def test_groups_share_a_fold_and_each_sample_keeps_its_label() -> None:
    states, y, groups = layered(1)
    trial = trial_of(states, y, groups)
    assert sorted(trial.order.tolist()) == list(range(N))
    for group in np.unique(trial.groups):
        assert len(set(trial.fold[trial.groups == group])) == 1
    np.testing.assert_array_equal(np.array(["a", "b"])[trial.codes], y[trial.order])


def test_the_order_of_the_samples_does_not_matter() -> None:
    states, y, groups = layered(2, strength=0.6)
    order = np.random.default_rng(3).permutation(N)
    one, other = accuracies(states, y, groups), accuracies(states[order], y[order], groups[order])
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_allclose(one.errors, other.errors)


def test_another_site_is_tried_on_the_same_folds() -> None:
    """A site that gives the same states answers the same samples rightly."""
    states, y, groups = layered(2, strength=0.6)
    trial = trial_of(states, y, groups)
    other = np.random.default_rng(1).normal(size=states.shape).astype(np.float16)
    right = trial.right(states)
    trial.right(other)
    np.testing.assert_array_equal(right, trial.right(states))


def test_a_class_in_one_group_is_refused() -> None:
    states, y, _ = layered(2)
    with pytest.raises(DataError, match="at least 2 groups"):
        trial_of(states, y, np.where(y == "a", 0, np.arange(N)))


def test_balanced_accuracy_counts_classes_alike() -> None:
    codes, right = np.array([0, 0, 0, 1]), np.array([[True, True, True, False]])
    assert Accuracies.of(right, codes, np.arange(4)).values.tolist() == [0.5]


def test_errors_are_those_of_drawing_groups_anew() -> None:
    """Against what many draws of such groups really give."""
    rng = np.random.default_rng(0)

    def drawn() -> Accuracies:
        easy = rng.random(100) < 0.7  # each group of 3 is easy or hard as a whole
        right = np.stack([np.repeat(easy, 3), rng.random(300) < 0.8])
        return Accuracies.of(right, np.arange(300) % 2, np.repeat(np.arange(100), 3))

    many = [drawn() for _ in range(300)]
    values = np.array([found.values for found in many])
    told = np.mean([found.errors for found in many], axis=0)
    np.testing.assert_allclose(told, values.std(axis=0), rtol=0.15)
    behind = np.mean([found.errors_behind(0) for found in many], axis=0)
    assert behind[0] == 0
    assert behind[1] == pytest.approx((values[:, 1] - values[:, 0]).std(), rel=0.15)


def test_ways_that_are_right_together_are_compared_more_sharply() -> None:
    rng = np.random.default_rng(1)
    right = rng.random(200) < 0.8
    twin = right.copy()
    twin[:2] = ~twin[:2]
    stranger = rng.permutation(right)
    found = Accuracies.of(np.stack([right, twin, stranger]), np.arange(200) % 2, np.arange(200))
    _, of_twin, of_stranger = found.errors_behind(0)
    assert of_twin < of_stranger / 3


def test_all_right_is_not_known_for_certain() -> None:
    few, many = (
        Accuracies.of(np.ones((1, n), bool), np.arange(n) % 2, np.arange(n)) for n in (10, 1000)
    )
    assert few.values[0] == many.values[0] == 1
    assert 0 < many.errors[0] < few.errors[0] < 0.2
