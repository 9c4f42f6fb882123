from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from superneurons.activations.site import Neuron, neurons_of


@given(layer=st.integers(1, 40), index=st.integers(0, 31))
def test_a_column_finds_its_layer(layer: int, index: int) -> None:
    activations = np.zeros((1, 40, 32))
    activations[0, layer - 1, index] = 1
    column = activations.reshape(1, -1).argmax(axis=1)
    assert neurons_of(column, 32) == [Neuron(layer, index)]


def test_neurons_sort_by_layer() -> None:
    assert sorted([Neuron(2, 0), Neuron(1, 9)]) == [Neuron(1, 9), Neuron(2, 0)]
