from __future__ import annotations

import numpy as np
import pytest
import torch

from superneurons.probes.soft_votes import SoftVotes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_votes_are_standard_scores(dtype) -> None:
    X = (np.random.default_rng(0).normal(size=(60, 7)) * 3 + 5).astype(dtype)
    votes = SoftVotes.of(X).block(slice(0, 7)).numpy()
    np.testing.assert_allclose(votes.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(votes.std(axis=0), 1, rtol=1e-4)
    exact = X.astype(np.float64)
    np.testing.assert_allclose(votes, (exact - exact.mean(0)) / exact.std(0), atol=1e-3)


def test_constant_neurons_do_not_vote() -> None:
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    X[:, 1], X[:, 2] = 0, 700
    X[0, 2] = 700.01
    votes = SoftVotes.of(X).block(slice(0, 4)).numpy()
    assert (votes[:, 1:3] == 0).all()
    assert (votes[:, [0, 3]] != 0).any(axis=0).all()


def test_a_neuron_with_one_huge_activation_is_no_constant() -> None:
    X = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float16)
    X[0] = 60_000
    assert SoftVotes.of(X).per_unit[0] > 0


def test_a_neuron_too_quiet_for_float32_is_a_constant() -> None:
    X = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    X[:, 1] *= 1e-42
    votes = SoftVotes.of(X)
    assert votes.per_unit[1] == 0
    assert np.isfinite(votes.block(slice(0, 2)).numpy()).all()


def test_samples_are_counted_in_the_order_given() -> None:
    X = np.random.default_rng(0).normal(size=(20, 9)).astype(np.float32)
    order, rows = np.random.default_rng(1).permutation(20), np.array([4, 0, 11])
    one, other = SoftVotes.of(X, order), SoftVotes.of(X[order])
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.per_unit, other.per_unit)
    np.testing.assert_array_equal(one.block(slice(2, 7)), other.block(slice(2, 7)))
    np.testing.assert_array_equal(one.gram(rows), other.gram(rows))
    weights = np.eye(3)
    np.testing.assert_array_equal(
        one.weighted_sums(rows, weights), other.weighted_sums(rows, weights)
    )


def test_some_columns_and_rows() -> None:
    X = np.random.default_rng(0).normal(size=(20, 9)).astype(np.float16)
    votes = SoftVotes.of(X)
    whole = votes.block(slice(0, 9)).numpy()
    np.testing.assert_array_equal(votes.block(np.array([4, 2])).numpy(), whole[:, [4, 2]])


def test_sums_over_all_neurons_are_those_of_the_whole_matrix(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    X, rows = rng.normal(size=(30, 25)).astype(np.float32), np.array([3, 1, 17, 20])
    weights = rng.normal(size=(4, 3))
    Z = SoftVotes.of(X).block(slice(0, 25)).numpy()[rows]
    monkeypatch.setattr("superneurons.probes.soft_votes._COLUMNS_AT_ONCE", 7)
    votes = SoftVotes.of(X)
    np.testing.assert_allclose(votes.gram(rows), Z @ Z.T, atol=1e-4)
    np.testing.assert_allclose(votes.weighted_sums(rows, weights), Z.T @ weights, atol=1e-4)


def test_the_first_neurons_alone_vote_as_before() -> None:
    X = np.random.default_rng(0).normal(size=(20, 12)).astype(np.float32)
    votes = SoftVotes.of(X)
    some = votes.first(5)
    assert len(some.mean) == 5
    torch.testing.assert_close(some.block(slice(0, 5)), votes.block(slice(0, 5)))
    rows = np.arange(20)
    np.testing.assert_allclose(some.gram(rows), SoftVotes.of(X[:, :5]).gram(rows), rtol=1e-5)
