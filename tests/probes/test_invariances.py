"""What no answer may depend on: order, batch, storage, names, and neurons that say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.probes.base import ReadOut
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.registry import READ_OUTS, make_read_out

from .synthetic import planted

WIDTH = 12
LAYERED = {
    "super-neurons": {},
    "paper": {},
    "logistic": {"layer_width": WIDTH},
    "knn": {"layer_width": WIDTH},
    "savs": {"head_dim": 4, "n_heads": 3},
}
SEEDS = st.integers(0, 10_000)

every_read_out = pytest.mark.parametrize("name", sorted(READ_OUTS))


def tied(n: int, seed: int, *, classes: int = 2, steps: int = 2) -> tuple[Any, Any]:
    """Two layers of few different values, in which samples and columns come more than once."""
    rng = np.random.default_rng(seed)
    X, y = planted(n, 2 * WIDTH, classes=classes, strength=0.6, dtype=np.float64, seed=seed)
    X = np.round(X * steps) / steps
    X[:, WIDTH + 3] = X[:, 5] = X[:, 2]
    X[:, 9] = 0.5
    twins = rng.permutation(n)[: 2 * (n // 6)].reshape(2, -1)
    X[twins[0]], y[twins[0]] = X[twins[1]], y[twins[1]]
    return X.astype(np.float16), y


def fitted(name: str, X: Any, y: Any, groups: Any = None) -> ReadOut:
    return make_read_out(name, **LAYERED.get(name, {})).fit(X, y, groups)


def assert_same(one: ReadOut, other: ReadOut) -> None:
    """Bit by bit what was learned."""
    first, second = one.get_state(), other.get_state()
    assert dict(first.values) == dict(second.values)
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name], err_msg=name)


@every_read_out
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, grouped=st.booleans(), classes=st.integers(2, 3))
def test_the_order_of_samples_changes_not_a_bit(name, seed, grouped, classes) -> None:
    X, y = tied(36, seed, classes=2 if name == "paper" else classes)
    groups = np.random.default_rng(seed).integers(0, 12, 36) if grouped else None
    if grouped:
        groups[: 2 * classes] = np.arange(2 * classes)
        y[: 2 * classes] = np.arange(2 * classes) % (y.max() + 1)
        X[: 2 * classes, 0] = np.arange(2 * classes) + 10
    order = np.random.default_rng(seed + 1).permutation(36)
    one = fitted(name, X, y, groups)
    other = fitted(name, X[order], y[order], groups[order] if grouped else None)
    assert_same(one, other)
    X_new, _ = tied(30, seed + 2)
    np.testing.assert_array_equal(one.predict(X_new), other.predict(X_new))
    np.testing.assert_array_equal(one.predict_proba(X_new), other.predict_proba(X_new))


@every_read_out
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, classes=st.integers(2, 3), cuts=st.sets(st.integers(1, 29), max_size=5))
def test_each_sample_is_answered_as_if_it_were_alone(name, seed, classes, cuts) -> None:
    X, y = tied(36, seed, classes=2 if name == "paper" else classes)
    read_out = fitted(name, X, y)
    # Some are samples of the probing set: the nearest neighbours of those are ties.
    X_new = np.concatenate([tied(15, seed + 1)[0], X[:15]])
    batches = [[row] for row in range(30)], np.split(np.arange(30), sorted(cuts))
    for method in ("decision_function", "predict", "predict_proba"):
        answer = getattr(read_out, method)
        for parts in batches:
            one_by_one = np.concatenate([answer(X_new[part]) for part in parts])
            np.testing.assert_array_equal(answer(X_new), one_by_one, err_msg=method)


@every_read_out
def test_many_neurons_are_added_up_alike_in_any_batch(name) -> None:
    X, y = planted(60, 700, informative=400, strength=0.2)
    parameters = {"paper": {"max_margin": 0.3, "margin_step": 0.3}}
    read_out = make_read_out(name, **parameters.get(name, {})).fit(X, y)
    assert len(read_out.neurons_) > 200 or "logits" in name
    whole = read_out.decision_function(X)
    alone = np.concatenate([read_out.decision_function(row[None]) for row in X])
    np.testing.assert_array_equal(whole, alone)


@every_read_out
@settings(max_examples=5, deadline=None)
@given(seed=SEEDS)
def test_storage_changes_nothing(name, seed) -> None:
    X, y = tied(36, seed)
    one = fitted(name, X, y)
    for lying in (X.astype(np.float64), np.asfortranarray(X), X[::-1][::-1], X.astype(">f4")):
        assert_same(one, fitted(name, lying, y))
        np.testing.assert_array_equal(one.predict_proba(X), one.predict_proba(lying))


@every_read_out
@settings(max_examples=5, deadline=None)
@given(seed=SEEDS, names=st.sampled_from([("a", "b"), ("10", "9"), (False, True), (-5, 3)]))
def test_names_of_labels_change_nothing_but_the_names(name, seed, names) -> None:
    X, y = tied(36, seed)
    names = np.array(names)
    one, other = fitted(name, X, y), fitted(name, X, names[y])
    np.testing.assert_array_equal(names[one.predict(X)], other.predict(X))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@every_read_out
@settings(max_examples=5, deadline=None)
@given(seed=SEEDS)
def test_names_of_groups_change_nothing_but_the_draw(name, seed) -> None:
    # Groups of one sample each: the draw is all there is to them.
    X, y = tied(36, seed)
    read_out = fitted(name, X, y, [f"picture {i}" for i in range(36)])
    again = fitted(name, X, y, np.array([f"picture {i}" for i in range(36)], dtype=object))
    assert_same(read_out, again)


def within_layers(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return np.concatenate([layer * WIDTH + rng.permutation(WIDTH) for layer in range(2)])


@pytest.mark.parametrize("name", ["super-neurons", "paper", "logistic", "knn"])
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_neurons_of_a_layer_have_no_order(name, seed) -> None:
    # No ties: of equal neurons the first would be taken. Groups: without them the folds are drawn
    # from the samples' values, in which the order of columns counts.
    X, y = planted(40, 2 * WIDTH, strength=0.6, dtype=np.float64, seed=seed)
    order, groups = within_layers(seed), np.arange(40)
    one, other = fitted(name, X, y, groups), fitted(name, X[:, order], y, groups)
    assert np.sort(order[other.neurons_]).tolist() == one.neurons_.tolist()
    X_new, _ = planted(40, 2 * WIDTH, strength=0.6, dtype=np.float64, seed=seed + 1)
    decisions = one.decision_function(X_new), other.decision_function(X_new[:, order])
    np.testing.assert_allclose(*decisions, rtol=1e-3, atol=1e-3)


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_neither_heads_nor_what_is_in_them_have_an_order(seed) -> None:
    X, y = planted(40, 2 * WIDTH, strength=0.6, dtype=np.float64, seed=seed)
    rng = np.random.default_rng(seed)
    inside, heads = rng.permutation(4), rng.permutation(6)
    order = (heads[:, None] * 4 + inside).ravel()
    one = make_read_out("savs", head_dim=4, n_heads=6).fit(X, y)
    other = make_read_out("savs", head_dim=4, n_heads=6).fit(X[:, order], y)
    hits = [dict(zip(r.heads_.tolist(), r.hits_.tolist(), strict=True)) for r in (one, other)]
    assert {int(heads[h]): n for h, n in hits[1].items()} == hits[0]


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, twin=st.integers(0, 2 * WIDTH - 1), aggregation=st.sampled_from("am"))
def test_a_neuron_that_is_there_twice_votes_twice_if_it_votes(seed, twin, aggregation) -> None:
    X, y = tied(48, seed)
    rule = PaperSuperNeurons(
        aggregation={"a": "majority", "m": "mean"}[aggregation], max_margin=0.1, margin_step=0.1
    )
    groups = np.arange(48)
    plain = fit_anew(rule, X, y, groups)
    doubled = fit_anew(rule, np.hstack([X, X[:, [twin]]]), y, groups)
    votes = twin in plain.neurons_
    assert doubled.neurons_.tolist() == plain.neurons_.tolist() + [2 * WIDTH] * votes
    X_new, _ = tied(40, seed + 1)
    given = doubled.decision_function(np.hstack([X_new, X_new[:, [twin]]]))
    n, opinions = len(plain.neurons_), X_new.astype(np.float64)
    if aggregation == "a":
        opinions = (opinions > 0) - 0.5
    total = opinions[:, plain.neurons_].sum(axis=1) + votes * opinions[:, twin]
    np.testing.assert_allclose(given, total / (n + votes), atol=1e-12)
    if not votes:
        np.testing.assert_array_equal(given, plain.decision_function(X_new))


def fit_anew(rule: PaperSuperNeurons, X: Any, y: Any, groups: Any) -> PaperSuperNeurons:
    return PaperSuperNeurons(**rule.get_params()).fit(X, y, groups)


@pytest.mark.parametrize("name", ["logits", "calibrated-logits"])
def test_odds_that_are_even_are_answered_by_the_first_class(name) -> None:
    X, y = np.array([[1.0], [1.0], [-1.0], [-1.0]]), np.array(["yes", "yes", "no", "no"])
    read_out = make_read_out(name).fit(X, y)
    assert read_out.predict([[0.0], [1e-9], [-1e-9]]).tolist() == ["no", "yes", "no"]
