"""Sparse Attention Vectors as published, written out in loops over torch, against our estimator.

Mitra et al., arXiv 2412.00142: centroids are plain means, a head's score is its hits on the very
samples they were made of, and the heads kept vote by the nearest cosine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.probes.attention_vectors import SparseAttentionVectors

SEEDS = st.integers(0, 100_000)
SHAPES = st.tuples(st.sampled_from([3, 9, 40]), st.integers(2, 7), st.integers(2, 5))
"""Heads, values per head, classes."""


def votes_of(centroids: torch.Tensor, sample: torch.Tensor, heads: list[int]) -> list[int]:
    """Class that each head votes for; centroids (C, H, W), sample (H, W)."""
    votes = []
    for head in heads:
        cosines = torch.nn.functional.cosine_similarity(
            centroids[:, head, :], sample[head, :], dim=-1
        )
        votes.append(int(cosines.argmax(dim=0)))
    return votes


def published(
    X: np.ndarray, y: np.ndarray, k: int
) -> tuple[list[int], list[int], Callable[[np.ndarray], int]]:
    """Heads kept, their hits, and the rule; X of shape (N, H, W), classes by first appearance."""
    samples = torch.from_numpy(X.astype(np.float64))
    names = list(dict.fromkeys(y.tolist()))
    centroids = torch.stack([samples[torch.from_numpy(y == c)].mean(dim=0) for c in names])
    every_head = list(range(X.shape[1]))
    hits = [0] * X.shape[1]
    for sample, label in zip(samples, y.tolist(), strict=True):
        for head, vote in enumerate(votes_of(centroids, sample, every_head)):
            hits[head] += names[vote] == label
    kept = np.argsort(np.array(hits))[-k:][::-1].tolist()

    def classify(query: np.ndarray) -> int:
        votes = votes_of(centroids, torch.from_numpy(query.astype(np.float64)), kept)
        return names[Counter(votes).most_common()[0][0]]

    return kept, [hits[head] for head in kept], classify


def probing_set(
    seed: int, shape: tuple[int, int, int], n: int = 21, *, dtype: Any = np.float64
) -> tuple[np.ndarray, np.ndarray]:
    """Heads that know more or less; another seed is another sample of the same task."""
    n_heads, width, n_classes = shape
    directions = np.random.default_rng(7).normal(size=(n_classes, n_heads, width))
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    strength = np.linspace(0, 1.5, n_heads)[:, None]
    X = rng.normal(size=(n, n_heads, width)) + strength * directions[y]
    return X.astype(dtype), y


def ties_put_in(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Heads that are copies, that are silent, and that see no difference between classes."""
    X, n_heads = X.copy(), X.shape[1]
    X[:, 1] = X[:, n_heads - 1]
    X[:, n_heads // 2] = 0
    # Whole numbers add up exactly: the centroids of all classes are one, to the last bit.
    block = np.random.default_rng(0).integers(1, 9, size=(4, X.shape[2]))
    rank = np.array([np.sum(y[:i] == c) for i, c in enumerate(y)])
    X[:, 0] = block[rank % 4]
    return X


def assert_as_published(X: np.ndarray, y: np.ndarray, queries: np.ndarray, k: int) -> None:
    kept, hits, classify = published(X, y, k)
    ours = SparseAttentionVectors(head_dim=X.shape[2], n_heads=k).fit(X.reshape(len(X), -1), y)
    assert ours.heads_.tolist() == kept
    assert ours.hits_.tolist() == hits
    answers = ours.predict(queries.reshape(len(queries), -1))
    assert answers.tolist() == [classify(query) for query in queries]


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, shape=SHAPES, k=st.integers(1, 45))
def test_heads_hits_and_labels_are_those_of_the_published_rule(seed, shape, k) -> None:
    X, y = probing_set(seed, shape)
    assert_as_published(X, y, np.concatenate([probing_set(seed + 1, shape)[0], X]), k)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, shape=SHAPES, k=st.integers(1, 45))
def test_ties_of_heads_cosines_and_votes_fall_as_published(seed, shape, k) -> None:
    X, y = probing_set(seed, shape, n=8 * shape[2])
    # Whole blocks of four make the centroids; the first class has two, so that it tells in the hits
    # which class wins a tie.
    enough = (y == 0) | (np.arange(len(y)) < 4 * shape[2])
    X, y = ties_put_in(X[enough], y[enough]), y[enough]
    queries = probing_set(seed + 1, shape)[0]
    queries[:7] = 0
    queries[7:, ::2] = 0
    assert_as_published(X, y, np.concatenate([queries, X]), k)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, shape=SHAPES, k=st.sampled_from([1, 2, 4, 20]))
def test_activations_of_half_and_single_precision(dtype, seed, shape, k) -> None:
    X, y = probing_set(seed, shape, dtype=dtype)
    assert_as_published(X, y, probing_set(seed + 1, shape, dtype=dtype)[0], k)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, shape=SHAPES, k=st.integers(1, 10))
def test_the_published_order_of_classes_counts_in_ties_of_cosines_alone(seed, shape, k) -> None:
    # There classes are numbered as they come, here they are sorted: it is the same without ties.
    X, y = probing_set(seed, shape)
    order = np.random.default_rng(seed).permutation(len(y))
    assert_as_published(X[order], y[order], probing_set(seed + 1, shape)[0], k)


def test_a_tie_of_votes_goes_to_the_class_that_the_best_head_voted_for() -> None:
    # Head 2 is right about all samples, heads 0 and 1 about fewer; 1 and 2 disagree on the query.
    y = np.array([0, 1] * 6)
    X = np.zeros((12, 3, 2))
    X[:, 2] = np.eye(2)[y]
    X[:, 1] = np.eye(2)[np.where(np.arange(12) < 2, 1 - y, y)]
    X[:, 0] = np.eye(2)[np.where(np.arange(12) < 4, 1 - y, y)]
    ours = SparseAttentionVectors(head_dim=2, n_heads=2).fit(X.reshape(12, -1), y)
    assert ours.heads_.tolist() == [2, 1]
    query = np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float64)
    assert ours.predict(query.reshape(1, -1)).tolist() == [1]
    assert ours.predict(query[[0, 2, 1]].reshape(1, -1)).tolist() == [0]
    assert published(X, y, 2)[2](query) == 1


def test_the_data_have_the_ties_they_are_meant_to_have() -> None:
    X, y = probing_set(0, (9, 3, 3), n=12)
    X = ties_put_in(X, y)
    _, hits, _ = published(X, y, 9)
    assert len(set(hits)) < len(hits)
    centroids = np.stack([X[y == c].mean(axis=0) for c in range(3)])
    assert (centroids[:, 0] == centroids[0, 0]).all()
    assert (centroids[:, 4] == 0).all()
