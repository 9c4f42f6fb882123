from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import DEVICES
from superneurons.errors import DataError
from superneurons.evaluate.null import (
    chance_maximum,
    random_neurons,
    shuffled_labels,
    shuffled_maximum,
)
from superneurons.probes.scores import neuron_scores
from superneurons.probes.super_neurons import SuperNeurons


def test_the_chance_maximum_is_that_of_coins() -> None:
    rng = np.random.default_rng(0)
    simulated = np.median(rng.binomial(200, 0.5, size=(400, 5000)).max(axis=1)) / 200
    assert chance_maximum(200, 5000) == pytest.approx(simulated, abs=0.006)


def test_the_chance_maximum_grows_with_neurons_and_shrinks_with_samples() -> None:
    assert chance_maximum(10, 1) == 0.5
    assert chance_maximum(100, 10) < chance_maximum(100, 100_000) <= 1
    assert chance_maximum(1000, 1000) < chance_maximum(100, 1000)
    assert chance_maximum(5, 10**6) == 1


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_it_is_the_maximum_of_the_scores_under_each_shuffle(metric) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 30)).astype(np.float16), rng.random(40) < 0.4
    shuffles = shuffled_labels(y, n_shuffles=5, seed=3)
    expected = [neuron_scores(X, labels, metric).max() for labels in shuffles]
    found = shuffled_maximum(X, y, 5, seed=3, metric=metric)
    np.testing.assert_allclose(found, expected)


def test_more_columns_than_fit_at_once(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 25)), np.arange(30) % 2 == 0
    whole = shuffled_maximum(X, y, 20)
    monkeypatch.setattr("superneurons.evaluate.null._COLUMNS_AT_ONCE", 7)
    np.testing.assert_array_equal(shuffled_maximum(X, y, 20), whole)


@pytest.mark.parametrize("device", DEVICES)
def test_a_tensor_on_any_device_has_the_null_of_its_array(device) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 50)).astype(np.float16), np.arange(90) % 3 == 0
    found = shuffled_maximum(torch.from_numpy(X).to(device), y, 20, groups=np.arange(90) // 2)
    np.testing.assert_array_equal(found, shuffled_maximum(X, y, 20, groups=np.arange(90) // 2))


def test_a_neuron_that_knows_beats_the_null_and_noise_does_not() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2 == 0
    X = rng.normal(size=(200, 500))
    null = shuffled_maximum(X, y, 200)
    assert neuron_scores(X, y).max() <= np.quantile(null, 0.99)
    X[:, 0] += np.where(y, 1, -1)
    assert neuron_scores(X, y).max() > shuffled_maximum(X, y, 200).max()
    assert np.median(null) == pytest.approx(chance_maximum(200, 500), abs=0.02)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_shuffles_keep_the_labels_and_the_groups_of_each_size(sizes, seed) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    y = rng.random(len(groups)) < 0.5
    order = rng.permutation(len(groups))
    groups, y = groups[order], y[order]

    def positives(labels):
        pairs = [(np.sum(groups == g), np.sum(labels[groups == g])) for g in range(len(sizes))]
        return sorted(pairs)

    for labels in shuffled_labels(y, n_shuffles=4, groups=groups, seed=seed):
        assert positives(labels) == positives(y)
    for labels in shuffled_labels(y, n_shuffles=4, seed=seed):
        assert labels.sum() == y.sum()


def test_twins_stay_twins() -> None:
    y = np.arange(60) % 2 == 0
    shuffles = shuffled_labels(y, n_shuffles=50, groups=np.arange(60) // 2)
    assert (shuffles[:, ::2] != shuffles[:, 1::2]).all()
    assert 0.4 < shuffles[:, 0].mean() < 0.6


def test_groups_with_one_label_move_as_a_whole_and_make_the_null_wider() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    y = np.repeat(np.arange(40) % 2 == 0, 10)
    X = np.repeat(rng.normal(size=(40, 200)), 10, axis=0)
    grouped, naive = (shuffled_maximum(X, y, 50, groups=g) for g in (groups, None))
    assert np.median(grouped) > np.median(naive) + 0.08


def test_shuffles_differ_from_each_other_and_by_seed() -> None:
    y = np.arange(50) % 2 == 0
    one = shuffled_labels(y, n_shuffles=3, seed=0)
    assert len(np.unique(one, axis=0)) == 3
    np.testing.assert_array_equal(one, shuffled_labels(y, n_shuffles=3, seed=0))
    assert not np.array_equal(one, shuffled_labels(y, n_shuffles=3, seed=1))


@pytest.mark.parametrize(
    ("X", "y", "n"),
    [
        (np.zeros((3, 2)), [True, False], 5),
        (np.zeros((2, 2)), [True, False], 0),
        (np.full((2, 2), np.nan), [True, False], 5),
    ],
)
def test_bad_input_is_refused(X, y, n) -> None:
    with pytest.raises(DataError):
        shuffled_maximum(X, y, n)


def test_random_neurons_know_less_than_chosen_ones() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    X = rng.normal(size=(400, 300))
    X[:, :3] += 1.5 * (2 * y[:, None] - 1)
    train, test = (X[:200], y[:200]), (X[200:], y[200:])
    chosen = SuperNeurons().fit(*train)
    control = random_neurons(SuperNeurons(), train, test, n_neurons=10, n_draws=6)
    assert control.shape == (6,)
    assert np.median(control) < 0.65 < chosen.score(*test)
    again = random_neurons(SuperNeurons(), train, test, n_neurons=10, n_draws=6)
    np.testing.assert_array_equal(control, again)
    everything = random_neurons(SuperNeurons(), train, test, n_neurons=300, n_draws=1)
    assert everything[0] == pytest.approx(chosen.score(*test))


@pytest.mark.parametrize("n_neurons", [0, 301])
def test_neurons_that_are_not_there_cannot_be_drawn(n_neurons) -> None:
    X, y = np.zeros((4, 300)), [0, 1, 0, 1]
    with pytest.raises(DataError, match=f"{n_neurons} neurons"):
        random_neurons(SuperNeurons(), (X, y), (X, y), n_neurons=n_neurons)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 60), p=st.integers(1, 200))
def test_the_chance_maximum_is_the_median_of_the_largest_of_as_many_shares(n, p) -> None:
    """Derived anew: the least k with P(all of p are at most k) at least one half."""
    shares = np.cumsum([comb(n, k) for k in range(n + 1)]) / 2.0**n
    k = int(np.argmax(shares**p >= 0.5 - 1e-12))
    assert chance_maximum(n, p) == pytest.approx(k / n)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), metric=st.sampled_from(["accuracy", "f1"]))
def test_the_order_of_neurons_and_their_twins_change_no_maximum(seed, metric) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(24, 7)), rng.random(24) < 0.5
    y[:2] = True, False
    found = shuffled_maximum(X, y, 6, seed=seed, metric=metric)
    mixed = np.concatenate([X[:, rng.permutation(7)], X[:, :3]], axis=1)
    np.testing.assert_array_equal(shuffled_maximum(mixed, y, 6, seed=seed, metric=metric), found)
    assert (shuffled_maximum(X[:, :4], y, 6, seed=seed, metric=metric) <= found).all()
    scaled = X * rng.uniform(0.5, 2, size=7)
    np.testing.assert_array_equal(shuffled_maximum(scaled, y, 6, seed=seed, metric=metric), found)


def test_random_neurons_are_drawn_without_replacement_by_the_seed() -> None:
    """Listening to what is fitted: as many columns as asked for, each once, groups passed on."""
    seen: list[tuple[np.ndarray, object]] = []

    class Listening(SuperNeurons):
        def fit(self, X, y, groups=None):
            seen.append((np.asarray(X)[0], groups))
            return super().fit(X, y, groups)

    rng = np.random.default_rng(0)
    X, y, groups = rng.normal(size=(40, 12)), np.arange(40) % 2, np.arange(40) // 2
    X[0] = np.arange(12)
    found = random_neurons(
        Listening(), (X, y), (X[20:], y[20:]), n_neurons=5, groups=groups, n_draws=4, seed=2
    )
    assert found.shape == (4,)
    drawn = [columns.tolist() for columns, _ in seen]
    assert all(len(set(columns)) == 5 and columns == sorted(columns) for columns in drawn)
    assert len({tuple(columns) for columns in drawn}) > 1
    assert all(own is groups for _, own in seen)
    seen.clear()
    random_neurons(Listening(), (X, y), (X, y), n_neurons=5, n_draws=4, seed=2)
    assert [columns.tolist() for columns, _ in seen] == drawn
