from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.probes.base import ReadOutState
from superneurons.probes.states import is_between, is_whole, neuron_problems, state_problems

FORMS = {"coef_": "float K T", "places_": "int K", "centres_": "float C W"}
VALUES = {"n_": int, "scale_": float}


def sound(k: int = 3, classes: int = 2, width: int = 4) -> tuple[dict, dict]:
    columns = 1 if classes == 2 else classes
    arrays = {
        "coef_": np.ones((k, columns), np.float16),
        "places_": np.arange(k, dtype=np.uint8),
        "centres_": np.zeros((classes, width)),
    }
    return arrays, {"n_": np.int64(0), "scale_": 2}


def complaints(arrays: dict, values: dict, classes: int = 2) -> list[str]:
    return [str(p) for p in state_problems(ReadOutState(arrays, values), FORMS, VALUES, classes)]


@settings(max_examples=30, deadline=None)
@given(k=st.integers(1, 5), classes=st.integers(2, 4), width=st.integers(1, 3))
def test_a_sound_state_of_any_size_has_no_problems(k, classes, width) -> None:
    assert complaints(*sound(k, classes, width), classes) == []


@settings(max_examples=30, deadline=None)
@given(classes=st.integers(2, 4), other=st.integers(2, 4))
def test_sizes_follow_the_number_of_classes(classes, other) -> None:
    found = complaints(*sound(3, classes), other)
    assert bool(found) is (classes != other)
    assert {line.split(":")[0] for line in found} <= {"coef_", "centres_"}


def test_every_problem_is_listed() -> None:
    arrays, values = sound()
    arrays |= {"coef_": np.array([[1.0], [np.nan], [np.inf]]), "places_": np.arange(4)}
    del arrays["centres_"]
    assert complaints(arrays, {**values, "n_": -1}) == [
        "coef_: 2 of 3 are not finite",
        "places_: has shape (4,), not (3,)",
        "centres_: missing",
        "n_: -1 is not a count",
    ]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (np.ones((3, 1), np.int64), "is of int64, not float"),
        (np.ones((3, 1), bool), "is of bool, not float"),
        (np.ones((3, 1, 1)), r"has shape (3, 1, 1), not (K, T)"),
        (np.ones((3, 2)), "has shape (3, 2), not (3, 1)"),
        (np.ones((0, 1)), "is empty"),
        (None, "is of object, not float"),
    ],
)
def test_an_array_of_another_form_is_named(wrong, what) -> None:
    arrays, values = sound()
    assert f"coef_: {what}" in complaints({**arrays, "coef_": wrong}, values)


@pytest.mark.parametrize("wrong", [None, "2", True, float("nan"), float("-inf"), [2.0]])
def test_a_value_of_another_type_is_named(wrong) -> None:
    arrays, values = sound()
    assert complaints(arrays, {**values, "scale_": wrong}) == [
        f"scale_: {wrong!r} is not a finite number"
    ]
    assert complaints(arrays, {**values, "n_": 1.5}) == ["n_: 1.5 is not a count"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-1, 6), min_size=1, max_size=6), st.integers(1, 6))
def test_neurons_are_different_columns_in_ascending_order(neurons, n_features) -> None:
    right = neurons == sorted(set(neurons)) and all(0 <= d < n_features for d in neurons)
    problems = neuron_problems(np.array(neurons), n_features, len(neurons))
    assert [problem.where for problem in problems] == ([] if right else ["neurons_"])
    more = neuron_problems(np.array(neurons), n_features, len(neurons) + 1)
    assert more[0].where == "n_neurons_"


def test_numbers_are_told_from_what_only_behaves_like_one() -> None:
    assert is_whole(3, 3)
    assert is_whole(np.int8(3), 1)
    assert not any(is_whole(wrong, 0) for wrong in (-1, 3.0, "3", None, True, np.True_))
    assert is_between(1, 0, 2)
    assert is_between(np.float32(0.5), 0, 1)
    assert not any(is_between(wrong, 0, 1) for wrong in (0, 1, "0.5", None, False, float("nan")))
