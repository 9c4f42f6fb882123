from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from superneurons.probes.base import ReadOut
from superneurons.probes.registry import READ_OUTS
from superneurons.probes.weights import neuron_weights, signed_or_length


def _samples(n_classes: int = 2) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    rng = np.random.default_rng(0)
    codes = np.arange(90) % n_classes
    X = rng.normal(size=(90, 12)).astype(np.float32)
    X[:, 3] = 5 * (codes == 1) + rng.normal(size=90)
    X[:, 7] = -3 * (codes == 1) + rng.normal(size=90)
    return X, np.array(["a", "b", "c"])[codes]


def _gain(read_out: ReadOut, X: NDArray[np.float32], k: int) -> NDArray[np.float64]:
    """How the decision changes with one unit of the k-th neuron."""
    more = X.copy()
    more[:, k] += 1
    gain = read_out.decision_function(more) - read_out.decision_function(X)
    return gain.reshape(len(X), -1).mean(axis=0)


@pytest.mark.parametrize("name", ["super-neurons", "logistic"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_weight_is_what_the_decision_gains(name: str, n_classes: int) -> None:
    X, y = _samples(n_classes)
    read_out = READ_OUTS[name]().fit(X, y).compact()
    X = X[:, READ_OUTS[name]().fit(X, y).neurons_]
    found = neuron_weights(read_out)
    assert found is not None
    for k in range(X.shape[1]):
        np.testing.assert_allclose(found[k], _gain(read_out, X, k), rtol=1e-3, atol=1e-4)


def test_the_sign_says_which_label() -> None:
    X, y = _samples()
    read_out = READ_OUTS["logistic"]().fit(X, y)
    found = neuron_weights(read_out)
    assert found is not None
    assert found[3, 0] > 0 > found[7, 0]


def test_by_the_spread_neurons_can_be_compared() -> None:
    X, y = _samples()
    scaled = X * np.where(np.arange(12) == 3, 100, 1).astype(np.float32)
    found = []
    for values in (X, scaled):
        read_out = READ_OUTS["super-neurons"]().fit(values, y)
        weights = neuron_weights(read_out, values[:, read_out.neurons_].std(axis=0))
        assert weights is not None
        found.append(dict(zip(read_out.neurons_.tolist(), weights[:, 0], strict=True)))
    assert found[0][3] == pytest.approx(found[1][3], rel=0.1)  # other folds


def test_where_votes_are_counted_all_weigh_the_same() -> None:
    X, y = _samples()
    found = neuron_weights(READ_OUTS["paper"]().fit(X, y), spread=np.ones(1))
    assert found is not None
    assert set(found.ravel()) == {1.0}


@pytest.mark.parametrize("name", ["knn", "savs"])
def test_some_read_outs_have_none(name: str) -> None:
    X, y = _samples()
    assert neuron_weights(READ_OUTS[name]().fit(X, y)) is None


def test_of_several_weights_there_is_a_length() -> None:
    assert signed_or_length(np.array([[-2.0], [0.5]])).tolist() == [-2.0, 0.5]
    assert signed_or_length(np.array([[0.6, -0.8], [0.0, 0.0]])).tolist() == [1.0, 0.0]
