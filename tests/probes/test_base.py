from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest
from sklearn.base import clone

from superneurons.probes.base import ReadOut, ReadOutState
from superneurons.probes.registry import READ_OUTS, make_read_out

from .synthetic import planted

every_read_out = pytest.mark.parametrize("name", sorted(READ_OUTS))
MANY = sorted(set(READ_OUTS) - {"paper"})
QUICK = sorted(set(READ_OUTS) - {"logistic"})
PROMISED = [name for name, f in vars(ReadOut).items() if hasattr(f, "__isabstractmethod__")] + [
    name
    for name, f in vars(ReadOut).items()
    if isinstance(f, classmethod) and getattr(f.__func__, "__isabstractmethod__", False)
]


def test_a_state_is_empty_until_something_is_learned_and_shares_nothing() -> None:
    one, other = ReadOutState(), ReadOutState()
    assert dict(one.arrays) == dict(one.values) == {}
    assert one.arrays is not other.arrays
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.values = {}  # type: ignore[misc]


def test_the_contract_is_what_an_early_exit_needs() -> None:
    assert {"fit", "predict", "predict_proba", "compact", "get_state", "from_state"} <= set(
        PROMISED
    )


@every_read_out
@pytest.mark.parametrize("method", sorted(set(PROMISED)))
def test_every_read_out_keeps_the_whole_contract(name, method) -> None:
    kept = inspect.getattr_static(READ_OUTS[name], method)
    assert not getattr(getattr(kept, "__func__", kept), "__isabstractmethod__", False)


@every_read_out
def test_what_a_fit_leaves_is_as_documented(name) -> None:
    X, y = planted(40, 12)
    labels = np.array(["no", "yes"])[y]
    read_out = make_read_out(name)
    assert read_out.fit(X, labels) is read_out
    assert read_out.neurons_.dtype == np.int64
    assert (np.diff(read_out.neurons_) > 0).all()
    assert read_out.classes_.tolist() == ["no", "yes"]
    assert read_out.n_features_in_ == 12
    assert read_out.predict(X).dtype == labels.dtype


@every_read_out
def test_two_classes_have_one_score_for_each_sample_and_two_probabilities(name) -> None:
    X, y = planted(40, 12)
    fitted = make_read_out(name).fit(X, y)
    decision, p = fitted.decision_function(X[:7]), fitted.predict_proba(X[:7])
    assert (decision.shape, p.shape) == ((7,), (7, 2))
    assert decision.dtype == p.dtype == np.float64
    sure = np.abs(decision) > 1e-9
    np.testing.assert_array_equal((decision > 0)[sure], (p[:, 1] > 0.5)[sure])


@pytest.mark.parametrize("name", MANY)
def test_more_classes_have_a_score_and_a_probability_each(name) -> None:
    X, y = planted(60, 12, classes=3)
    fitted = make_read_out(name).fit(X, y)
    decision, p = fitted.decision_function(X[:7]), fitted.predict_proba(X[:7])
    assert decision.shape == p.shape == (7, 3)
    np.testing.assert_array_equal(decision.argmax(axis=1), p.argmax(axis=1))
    np.testing.assert_array_equal(fitted.predict(X[:7]), p.argmax(axis=1))


@pytest.mark.parametrize("name", QUICK)
def test_a_second_fit_forgets_the_first(name) -> None:
    X, y = planted(40, 12)
    used = make_read_out(name).fit(X[:, :8] + 1, 1 - y).fit(X, y)
    fresh = clone(used).fit(X, y)
    assert used.n_features_in_ == 12
    np.testing.assert_array_equal(used.neurons_, fresh.neurons_)
    np.testing.assert_array_equal(used.decision_function(X), fresh.decision_function(X))


@pytest.mark.parametrize("name", QUICK)
def test_fitting_and_answering_leave_the_activations_as_they_were(name) -> None:
    X, y = planted(40, 12)
    X.setflags(write=False)
    before = X.copy()
    make_read_out(name).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(X, before)
