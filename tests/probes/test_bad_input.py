"""What no read-out may take, crash on, or answer with NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError

from superneurons.errors import ArtefactError, DataError, SuperNeuronsError
from superneurons.probes.base import ReadOut, ReadOutState
from superneurons.probes.registry import READ_OUTS, make_read_out
from superneurons.task.labels import DataWarning

from .synthetic import planted

SPLITTERS = ["knn", "logistic", "paper", "super-neurons"]
CLASSES = np.array(["no", "yes"])

every_read_out = pytest.mark.parametrize("name", sorted(READ_OUTS))


def probing_set(n: int = 40, p: int = 12) -> tuple[Any, Any]:
    X, y = planted(n, p)
    return X, CLASSES[y]


def spoilt(X: Any, value: float) -> Any:
    X = X.copy()
    X[3, [5, 7]] = value
    return X


def complete(error: SuperNeuronsError) -> bool:
    """What is wrong, and how to mend it."""
    return bool(error.what and error.mend and error.mend in str(error))


BAD_TRAINING: dict[str, tuple[Callable[[Any, Any], tuple[Any, ...]], str]] = {
    "one class": (lambda X, y: (X, np.full(40, "yes")), "All 40 samples have one class, 'yes'"),
    "NaN": (lambda X, y: (spoilt(X, np.nan), y), "sample 3: NaN in 2 of 12 columns: 5, 7"),
    "infinity": (lambda X, y: (spoilt(X, -np.inf), y), "sample 3: inf in 2 of 12 columns: 5, 7"),
    "huge": (lambda X, y: (spoilt(X, 2e30), y), r"sample 3: more than 1e\+30 in 2 of 12 .*: 5, 7"),
    "labels too few": (lambda X, y: (X, y[:-1]), r"inconsistent numbers of samples: \[40, 39\]"),
    "labels too many": (lambda X, y: (X[1:], y), r"inconsistent numbers of samples: \[39, 40\]"),
    "labels in columns": (lambda X, y: (X, np.stack([y, y], axis=1)), r"shape \(40, 2\)"),
    "no labels": (lambda X, y: (X, None), "requires y to be passed"),
    "labels missing": (lambda X, y: (X, [None, "yes"] * 20), "Unknown label type"),
    "labels NaN": (lambda X, y: (X, [np.nan, 1.0] * 20), "y contains NaN"),
    "labels measured": (lambda X, y: (X, X[:, 0]), "Unknown label type: continuous"),
    "one dimension": (lambda X, y: (X[:, 0], y), "Expected 2D array, got 1D array"),
    "three dimensions": (lambda X, y: (X[:, :, None], y), "Found array with dim 3"),
    "no samples": (lambda X, y: (X[:0], y[:0]), r"0 sample\(s\)"),
    "no columns": (lambda X, y: (X[:, :0], y), r"0 feature\(s\)"),
    "ragged": (lambda X, y: ([[1.0], [1.0, 2.0]] * 20, y), "inhomogeneous shape"),
    "text": (lambda X, y: (np.full((40, 12), "a"), y), "could not convert string to float"),
    "objects": (lambda X, y: (np.full((40, 12), {}, dtype=object), y), "not 'dict'"),
    "complex": (lambda X, y: (X * 1j, y), "Complex data not supported"),
    "sparse": (lambda X, y: (scipy.sparse.csr_array(X), y), "Sparse data"),
    "groups too few": (lambda X, y: (X, y, np.arange(3)), r"groups has shape \(3,\), but .* 40"),
    "groups in columns": (lambda X, y: (X, y, np.zeros((40, 2))), r"groups has shape \(40, 2\)"),
}


@every_read_out
@pytest.mark.parametrize("case", sorted(BAD_TRAINING))
def test_what_cannot_be_learned_from_is_refused(name, case) -> None:
    spoil, message = BAD_TRAINING[case]
    with pytest.raises(DataError, match=message) as caught:
        make_read_out(name).fit(*spoil(*probing_set()))
    assert complete(caught.value)


@pytest.mark.parametrize("name", SPLITTERS)
@pytest.mark.parametrize("groups", [[0] * 40, [0, 1] * 20, None])
def test_a_class_in_one_group_is_refused_by_the_read_outs_that_split(name, groups) -> None:
    X, _ = probing_set()
    y = CLASSES[np.arange(40) % 2 if groups else (np.arange(40) == 7).astype(int)]
    with pytest.raises(DataError, match="class 'yes': in 1 group only") as caught:
        make_read_out(name).fit(X, y, groups)
    assert complete(caught.value)
    assert len(caught.value.problems) == (1 if groups is None else 2)


@pytest.mark.parametrize("name", sorted(set(READ_OUTS) - set(SPLITTERS)))
def test_the_read_outs_that_split_nothing_need_no_groups(name) -> None:
    X, y = probing_set()
    fitted = make_read_out(name).fit(X, y, np.zeros(40))
    np.testing.assert_array_equal(fitted.predict(X), make_read_out(name).fit(X, y).predict(X))


@pytest.mark.parametrize("name", sorted(set(SPLITTERS) - {"paper"}))
def test_groups_that_mix_the_classes_leave_every_class_to_learn_from(name) -> None:
    # Each class is in two of the three groups: of two folds one would have all of some class.
    X, y = planted(30, 12, classes=3)
    groups = (y + np.arange(30) % 2) % 3
    fitted = make_read_out(name).fit(X, y, groups)
    assert np.isfinite(fitted.predict_proba(X)).all()
    assert fitted.score(X, y) > 0.6


BAD_QUERIES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "another model": (lambda X: X[:, :-1], "X has 11 features, but .* is expecting 12"),
    "a wider model": (lambda X: np.hstack([X, X]), "X has 24 features, but .* is expecting 12"),
    "one dimension": (lambda X: X[0], "Expected 2D array, got 1D array"),
    "no samples": (lambda X: X[:0], r"0 sample\(s\)"),
    "NaN": (lambda X: spoilt(X, np.nan), "sample 3: NaN in 2 of 12 columns: 5, 7"),
    "infinity": (lambda X: spoilt(X, np.inf), "sample 3: inf in 2 of 12 columns: 5, 7"),
    "text": (lambda X: np.full((4, 12), "a"), "could not convert string to float"),
    "objects": (lambda X: np.full((4, 12), {}, dtype=object), "not 'dict'"),
}


@every_read_out
@pytest.mark.parametrize("case", sorted(BAD_QUERIES))
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_what_cannot_be_answered_is_refused(name, case, method) -> None:
    X, y = probing_set()
    fitted, (spoil, message) = make_read_out(name).fit(X, y), BAD_QUERIES[case]
    with pytest.raises(DataError, match=message) as caught:
        getattr(fitted, method)(spoil(X))
    assert complete(caught.value)


@every_read_out
def test_nothing_is_answered_before_fit(name) -> None:
    X, _ = probing_set()
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(make_read_out(name), method)(X)
    with pytest.raises(NotFittedError):
        make_read_out(name).get_state()


@every_read_out
@pytest.mark.parametrize("value", [0.0, 7.0, -65504.0])
def test_constant_neurons_alone_give_answers_without_nan(name, value) -> None:
    X, y = np.full((40, 12), value, np.float16), CLASSES[(np.arange(40) % 4 == 0).astype(int)]
    with pytest.warns(DataWarning, match="40 of 40 samples have the same activations"):
        fitted = make_read_out(name).fit(X, y)
    for query in (X[:3], np.full((3, 12), value + 1, np.float32)):
        p = fitted.predict_proba(query)
        assert np.isfinite(p).all()
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert set(fitted.predict(query)) <= {"no", "yes"}


@every_read_out
def test_some_constant_neurons_change_no_answer_to_nan(name) -> None:
    X, y = probing_set()
    X[:, ::2] = 3
    # As small as what is left of a neuron that an activation function shut.
    X[:, 1] *= 1e-42
    fitted = make_read_out(name).fit(X, y)
    assert np.isfinite(fitted.predict_proba(X)).all()
    assert np.isfinite(fitted.predict_proba(X + 1)).all()


@every_read_out
@pytest.mark.parametrize("unit", [1e-20, 1e20])
def test_any_unit_will_do(name, unit) -> None:
    X, y = probing_set(80)
    fitted = make_read_out(name).fit(X * unit, y)
    assert np.isfinite(fitted.predict_proba(X * unit)).all()
    plain = make_read_out(name).fit(X, y, np.arange(80))
    assert np.mean(plain.predict(X) == fitted.predict(X * unit)) > 0.85


# Damaged states


def state_of(name: str) -> tuple[ReadOut, dict[str, Any], dict[str, Any]]:
    X, y = probing_set()
    fitted = make_read_out(name).fit(X, y)
    state = fitted.get_state()
    return fitted, dict(state.arrays), dict(state.values)


def refused(fitted: ReadOut, arrays: Any, values: Any, classes: Any = CLASSES) -> list[str]:
    """Names of the parts that a damaged state is refused for."""
    with pytest.raises(ArtefactError, match=f"the state of a {fitted.name!r} read-out") as caught:
        type(fitted).from_state(ReadOutState(arrays, values), classes)
    assert complete(caught.value)
    return [problem.where for problem in caught.value.problems]


DAMAGED_ARRAYS: dict[str, Callable[[Any], Any]] = {
    "cut short": lambda a: a[:-1] if len(a) > 1 else np.concatenate([a, a]),
    "one dimension more": lambda a: a[None],
    "empty": lambda a: a[:0],
    "text": lambda a: np.full(a.shape, "a"),
    "objects": lambda a: np.full(a.shape, None),
    "not finite": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 0, np.nan, a),
    "truth values": lambda a: a > 0,
}


@every_read_out
@pytest.mark.parametrize("damage", sorted(DAMAGED_ARRAYS))
def test_a_damaged_array_is_named(name, damage) -> None:
    fitted, arrays, values = state_of(name)
    for part in arrays:
        if part == "neurons_" and "logits" in name and damage == "cut short":
            continue  # one column fewer than classes is a state of it too
        spoilt_arrays = {**arrays, part: DAMAGED_ARRAYS[damage](arrays[part])}
        named = refused(fitted, spoilt_arrays, values)
        # Where lengths disagree, either may be the wrong one.
        assert part in named or damage in ("cut short", "empty")


@every_read_out
def test_missing_parts_are_all_named(name) -> None:
    fitted, arrays, values = state_of(name)
    assert set(refused(fitted, {}, {})) == {*arrays, *values}
    for part in arrays:
        rest = {key: array for key, array in arrays.items() if key != part}
        assert refused(fitted, rest, values) == [part]
    for part in values:
        rest = {key: value for key, value in values.items() if key != part}
        assert refused(fitted, arrays, rest) == [part]


@every_read_out
@pytest.mark.parametrize("wrong", [None, "3", float("nan"), float("inf"), [1], True])
def test_a_value_that_is_no_number_is_named(name, wrong) -> None:
    fitted, arrays, values = state_of(name)
    for part in set(values) - {"parameters"}:
        assert refused(fitted, arrays, {**values, part: wrong}) == [part]


@every_read_out
def test_neurons_that_are_no_columns_are_refused(name) -> None:
    fitted, arrays, values = state_of(name)
    neurons = arrays["neurons_"]
    wrong: list[Any] = [neurons + 12, neurons - 1 - neurons.max(), neurons.astype(float)]
    if len(neurons) > 1:
        wrong += [neurons[::-1], np.repeat(neurons[0], len(neurons))]
    for each in wrong:
        assert refused(fitted, {**arrays, "neurons_": each}, values) == ["neurons_"]
    assert refused(fitted, arrays, {**values, "n_features_in_": 0}) == ["neurons_"]
    assert refused(fitted, arrays, {**values, "n_features_in_": -1}) == ["n_features_in_"]


@every_read_out
def test_classes_that_are_not_those_of_the_fit_are_refused(name) -> None:
    fitted, arrays, values = state_of(name)
    assert "classes_" in refused(fitted, arrays, values, np.array(["yes"]))
    assert "classes_" in refused(fitted, arrays, values, np.array(["yes", "yes"]))
    assert "classes_" in refused(fitted, arrays, values, np.array([["no", "yes"]]))
    if name not in ("knn", "logits"):  # theirs could be the classes of a fit
        assert refused(fitted, arrays, values, np.array(["a", "b", "c", "d"]))


@every_read_out
def test_parameters_that_no_fit_had_are_refused(name) -> None:
    fitted, arrays, values = state_of(name)
    assert refused(fitted, arrays, {**values, "parameters": [1]}) == ["parameters"]
    deeper = {**values["parameters"], "depth": 3, "also": 1}
    named = refused(fitted, arrays, {**values, "parameters": deeper})
    assert named == ["parameters.also", "parameters.depth"]
    for parameter in set(values["parameters"]) - {"random_state"}:
        wrong = {**values, "parameters": {**values["parameters"], parameter: "damaged"}}
        assert refused(fitted, arrays, wrong) == [f"parameters.{parameter}"]


@pytest.mark.parametrize(
    ("name", "part", "wrong"),
    [
        ("super-neurons", "n_neurons_", 99),
        ("paper", "n_neurons_", 99),
        ("paper", "scale_", 0.0),
        ("knn", "setting_", 0),
        ("knn", "setting_", 2.5),
        ("knn", "setting_", 41),
        ("knn", "example_codes_", np.full(40, 2)),
        ("knn", "example_codes_", np.full(40, -1)),
        ("savs", "places_", np.array([1])),
    ],
)
def test_parts_that_contradict_each_other_are_refused(name, part, wrong) -> None:
    fitted, arrays, values = state_of(name)
    changed = arrays if part in arrays else values
    changed[part] = wrong
    assert refused(fitted, arrays, values) == [part]


def test_heads_and_columns_must_agree() -> None:
    X, y = probing_set()
    fitted = make_read_out("savs", head_dim=4, n_heads=2).fit(X, y)
    state = fitted.get_state()
    fewer = {**state.arrays, "neurons_": state.arrays["neurons_"][:4]}
    assert refused(fitted, fewer, state.values) == ["neurons_"]
    fewer = {**state.arrays, "places_": np.array([0, 0])}
    assert refused(fitted, fewer, state.values) == ["places_"]


# Parameters


@every_read_out
def test_parameters_of_a_wrong_type_are_named_by_fit(name) -> None:
    X, y = probing_set()
    parameters = set(make_read_out(name).get_params()) - {"random_state"}
    for parameter in parameters:
        for wrong in ("many", [2], float("nan")):
            with pytest.raises(DataError, match=f"{parameter}: ") as caught:
                make_read_out(name, **{parameter: wrong}).fit(X, y)
            assert complete(caught.value)
    if parameters:
        everything = dict.fromkeys(parameters, "many")
        with pytest.raises(DataError) as caught:
            make_read_out(name, **everything).fit(X, y)
        assert {problem.where for problem in caught.value.problems} == parameters


@pytest.mark.parametrize("name", SPLITTERS)
def test_a_random_state_that_is_no_seed_is_refused(name) -> None:
    X, y = probing_set()
    with pytest.raises(DataError, match="random_state: 'dice' is no seed"):
        make_read_out(name, random_state="dice").fit(X, y)


@pytest.mark.parametrize(
    ("name", "parameter", "value", "message"),
    [
        ("logistic", "layer_width", 0, "layer_width: 0 is not None or at least 1"),
        ("knn", "layer_width", 5, "12 columns aren't whole layers of 5"),
        ("savs", "head_dim", 0, "head_dim: 0 is not None or at least 1"),
        ("savs", "head_dim", 5, "12 columns aren't whole heads of 5"),
        ("savs", "n_heads", True, "n_heads: True"),
        ("super-neurons", "max_neurons", 2.5, "max_neurons: 2.5"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(name, parameter, value, message) -> None:
    with pytest.raises(DataError, match=message):
        make_read_out(name, **{parameter: value}).fit(*probing_set())
