from __future__ import annotations

import json

import numpy as np
import pytest

from superneurons.errors import DataError
from superneurons.evaluate.robustness.neuron_overlap import neuron_overlap

WIDTH = 50


def drawn(rng: np.random.Generator, per_layer: dict[int, int]) -> np.ndarray:
    """So many neurons of each layer, at random."""
    parts = [WIDTH * layer + rng.permutation(WIDTH)[:n] for layer, n in per_layer.items()]
    return np.concatenate(parts)


def test_a_set_is_all_of_itself() -> None:
    columns = drawn(np.random.default_rng(0), {0: 5, 3: 8})
    found = neuron_overlap(columns, columns[::-1], width=WIDTH)
    assert found.jaccard == 1
    assert found.first == found.second == found.shared == 13
    assert found.p_value < 1e-10
    assert found.chance < 0.2


def test_sets_in_other_layers_share_nothing_and_cannot() -> None:
    found = neuron_overlap([1, 2, 3], [WIDTH + 1, WIDTH + 2], width=WIDTH)
    assert (found.shared, found.jaccard, found.chance, found.chance_95) == (0, 0, 0, 0)
    assert found.p_value == 1


def test_whole_layers_are_shared_by_necessity() -> None:
    found = neuron_overlap(range(WIDTH), range(WIDTH), width=WIDTH)
    assert (found.jaccard, found.chance, found.chance_95, found.p_value) == (1, 1, 1, 1)


def test_chance_is_what_draws_within_layers_give() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = {0: 20, 1: 5, 4: 30}, {0: 10, 4: 25, 7: 9}
    shares = []
    for _ in range(4000):
        a, b = set(drawn(rng, ours).tolist()), set(drawn(rng, theirs).tolist())
        shares.append(len(a & b) / len(a | b))
    found = neuron_overlap(drawn(rng, ours), drawn(rng, theirs), width=WIDTH)
    assert found.chance == pytest.approx(np.mean(shares), abs=0.003)
    assert found.chance_95 == pytest.approx(np.quantile(shares, 0.95), abs=0.012)


def test_p_values_are_as_rare_as_they_say() -> None:
    rng = np.random.default_rng(2)
    counts = {0: 12, 1: 12, 2: 12}
    p = np.array([
        neuron_overlap(drawn(rng, counts), drawn(rng, counts), width=WIDTH).p_value
        for _ in range(600)
    ])  # fmt: skip
    assert np.mean(p < 0.05) < 0.08
    assert np.mean(p < 0.5) > 0.3


def test_the_order_of_the_two_does_not_matter() -> None:
    a, b = [1, 2, 60, 61], [2, 61, 62, 63, 64]
    one, other = neuron_overlap(a, b, width=WIDTH), neuron_overlap(b, a, width=WIDTH)
    assert (one.first, one.second) == (other.second, other.first) == (4, 5)
    assert one.jaccard == other.jaccard == 2 / 7
    assert one.p_value == pytest.approx(other.p_value)


def test_no_neurons_share_none() -> None:
    found = neuron_overlap([], [], width=WIDTH)
    assert (found.jaccard, found.chance, found.p_value) == (0, 0, 1)


@pytest.mark.parametrize("columns", [[1, 1], [-1, 2]])
def test_odd_sets_are_refused(columns: list[int]) -> None:
    with pytest.raises(DataError, match="column twice"):
        neuron_overlap(columns, [3], width=WIDTH)
    with pytest.raises(DataError, match="column twice"):
        neuron_overlap([3], columns, width=WIDTH)


def test_it_is_json() -> None:
    made = neuron_overlap([1], [1], width=WIDTH).as_dict()
    assert json.loads(json.dumps(made)) == made
