from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from superneurons.probes.base import ReadOut
from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.nearest import NearestNeighbours
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.probes.weights import neuron_weights
from superneurons.serve.votes import _shares, favoured


def told_apart(classes: int, n: int = 90, width: int = 6) -> tuple[NDArray[Any], NDArray[np.str_]]:
    """Column c is high for class c; all columns have means far from 0."""
    rng = np.random.default_rng(1)
    codes = np.arange(n) % classes
    X = rng.normal(size=(n, width)) + 5
    X[np.arange(n), codes] += 4
    return X, np.array(["no", "yes", "maybe"])[codes]


def compact(read_out: ReadOut, classes: int) -> ReadOut:
    X, y = told_apart(classes)
    return read_out.fit(X, y).compact()


def test_the_papers_neurons_speak_for_the_second_class_above_zero() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], 30)
    X = rng.normal(size=(60, 8))
    X[:, 2] += np.where(y == "yes", 3, -3)
    read_out = PaperSuperNeurons().fit(X, y).compact()
    for value, speaks in ((0.1, [1]), (0.0, [0]), (-3.0, [0])):
        codes = favoured(read_out, np.array([value]))
        assert codes is not None
        assert codes.tolist() == speaks


@pytest.mark.parametrize("make", [SuperNeurons, LogisticProbe])
@pytest.mark.parametrize("classes", [2, 3])
def test_telling_neurons_speak_for_what_they_tell(make: type[ReadOut], classes: int) -> None:
    read_out = compact(make(), classes)
    X, y = told_apart(classes)
    neurons, names = read_out.neurons_.tolist(), read_out.classes_.tolist()
    assert {0, 1} <= set(neurons)
    each = [favoured(read_out, row[neurons]) for row in X]
    speaks = np.stack([codes for codes in each if codes is not None])
    for column in range(classes):
        place = neurons.index(column)
        own = speaks[:, place] == np.array([names.index(label) for label in y])
        telling = y == ["no", "yes", "maybe"][column]
        assert own[telling].mean() > 0.9, "a high value speaks for its class"


@pytest.mark.parametrize("classes", [2, 3])
def test_shares_sum_to_the_decision(classes: int) -> None:
    read_out = compact(SuperNeurons(), classes)
    X, _ = told_apart(classes)
    values = X[3, read_out.neurons_]
    weights = neuron_weights(read_out)
    assert weights is not None
    decision = np.atleast_1d(read_out.decision_function(values[None])[0])
    expected = decision - (decision.mean() if classes > 2 else 0)
    np.testing.assert_allclose(_shares(read_out, weights, values).sum(axis=0), expected)


def test_in_a_read_out_without_weights_no_neuron_speaks_for_itself() -> None:
    read_out = compact(NearestNeighbours(), 2)
    assert favoured(read_out, told_apart(2)[0][0, read_out.neurons_]) is None
