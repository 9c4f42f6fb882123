from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from superneurons.errors import ArtefactError, DataError
from superneurons.probes.base import ReadOut, ReadOutState
from superneurons.probes.fitted import require_ranges, seed_of
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.registry import READ_OUTS, make_read_out

from .synthetic import planted


@pytest.fixture(params=sorted(READ_OUTS))
def fitted(request: pytest.FixtureRequest) -> ReadOut:
    X, y = planted(120, 30)
    return make_read_out(request.param).fit(X, np.array(["no", "yes"])[y])


def same_answers(one: ReadOut, X: Any, other: ReadOut, X_other: Any) -> None:
    np.testing.assert_array_equal(one.predict(X), other.predict(X_other))
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X_other), rtol=1e-9)
    np.testing.assert_allclose(one.decision_function(X), other.decision_function(X_other))


def test_a_compact_read_out_gives_the_same_answers_over_its_neurons_alone(fitted) -> None:
    X, _ = planted(50, 30, seed=1)
    small = fitted.compact()
    assert small.n_features_in_ == len(fitted.neurons_)
    assert fitted.n_features_in_ == 30
    same_answers(fitted, X, small, X[:, fitted.neurons_])
    same_answers(fitted, X, small.compact(), X[:, fitted.neurons_])


def test_neurons_are_ascending_columns(fitted) -> None:
    assert (np.diff(fitted.neurons_) > 0).all()
    assert fitted.neurons_.min() >= 0
    assert fitted.neurons_.max() < 30


def test_columns_that_are_not_read_do_not_count(fitted) -> None:
    X, _ = planted(50, 30, seed=1)
    other = X.copy()
    unread = np.setdiff1d(np.arange(30), fitted.neurons_)
    other[:, unread] = -7
    same_answers(fitted, X, fitted, other)


def test_the_state_is_numbers_and_json_and_rebuilds_the_same(fitted) -> None:
    X, _ = planted(50, 30, seed=1)
    state = fitted.get_state()
    assert all(array.dtype.kind in "iufb" for array in state.arrays.values())
    values = json.loads(json.dumps(dict(state.values), allow_nan=False))
    again = type(fitted).from_state(ReadOutState(state.arrays, values), fitted.classes_)
    same_answers(fitted, X, again, X)
    assert again.get_params() == fitted.get_params()
    with pytest.raises(DataError):
        again.predict(X[:, :3])


def test_a_state_with_parts_missing_is_refused_with_their_names(fitted) -> None:
    state = fitted.get_state()
    arrays = {name: a for name, a in state.arrays.items() if name != "neurons_"}
    values = {name: v for name, v in state.values.items() if name != "n_features_in_"}
    with pytest.raises(ArtefactError) as caught:
        type(fitted).from_state(ReadOutState(arrays, values), fitted.classes_)
    assert {p.where for p in caught.value.problems} == {"neurons_", "n_features_in_"}


def test_unknown_parameters_in_a_state_are_refused(fitted) -> None:
    state = fitted.get_state()
    values = {**state.values, "parameters": {"depth": 3}}
    with pytest.raises(ArtefactError):
        type(fitted).from_state(ReadOutState(state.arrays, values), fitted.classes_)


def test_a_generator_for_random_state_is_not_stored() -> None:
    X, y = planted()
    fitted = PaperSuperNeurons(random_state=np.random.RandomState(3)).fit(X, y)
    assert fitted.get_state().values["parameters"]["random_state"] is None


def test_seeds() -> None:
    assert seed_of(3) == seed_of(np.int64(3)) == 3
    assert seed_of(np.random.RandomState(0)) == seed_of(np.random.RandomState(0))


def test_all_parameters_out_of_range_are_named_at_once() -> None:
    with pytest.raises(DataError) as caught:
        require_ranges(("a", 1, False, "2"), ("b", 2, True, "2"), ("c", "x", False, "'y'"))
    assert [str(p) for p in caught.value.problems] == ["a: 1 is not 2", "c: 'x' is not 'y'"]


@pytest.mark.parametrize("name", sorted(READ_OUTS))
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 999), strength=st.floats(0, 2), half=st.booleans())
def test_compact_and_stored_on_any_data(name, seed, strength, half) -> None:
    dtype = np.float16 if half else np.float32
    X, y = planted(60, 24, strength=strength, dtype=dtype, seed=seed)
    fitted = make_read_out(name).fit(X, y)
    X_new, _ = planted(20, 24, strength=strength, dtype=dtype, seed=seed + 1)
    small = fitted.compact()
    same_answers(fitted, X_new, small, X_new[:, fitted.neurons_])
    state = small.get_state()
    tensors = load(save({k: np.ascontiguousarray(v) for k, v in state.arrays.items()}))
    values = json.loads(json.dumps(dict(state.values)))
    again = type(small).from_state(ReadOutState(tensors, values), small.classes_)
    same_answers(small, X_new[:, fitted.neurons_], again, X_new[:, fitted.neurons_])
    for key, array in state.arrays.items():
        assert tensors[key].dtype == array.dtype


@pytest.mark.parametrize("name", sorted(READ_OUTS))
def test_probabilities_sum_to_one_and_agree_with_the_answers(name) -> None:
    X, y = planted(120, 30, strength=0.4)
    fitted = make_read_out(name).fit(X, np.array(["a b", "ç, (d)"])[y])
    X_new, _ = planted(60, 30, strength=0.4, seed=5)
    p, decision = fitted.predict_proba(X_new), fitted.decision_function(X_new)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert ((p >= 0) & (p <= 1)).all()
    clear = np.abs(p[:, 1] - 0.5) > 1e-6
    np.testing.assert_array_equal(fitted.predict(X_new)[clear] == "ç, (d)", p[clear, 1] > 0.5)
    # a higher decision is never less probable
    assert (np.diff(p[np.argsort(decision, kind="stable"), 1]) >= -1e-9).all()
