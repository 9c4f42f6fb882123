from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.probes.attention_vectors import SparseAttentionVectors


def heads_of(n: int, *, n_heads: int = 12, dim: int = 6, classes: int = 2, seed: int = 0):
    """Heads of which the fourth and the eighth know the answer."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = rng.normal(size=(n, n_heads, dim))
    directions = np.random.default_rng(5).normal(size=(2, classes, dim))
    X[:, 3] += 2 * directions[0][y]
    X[:, 7] += 1.5 * directions[1][y]
    return X, y


def published(X, y, k):
    """Selection and votes as in the published code: loops, argsort and a counter."""
    labels = sorted(set(y.tolist()))

    def cosine(a, b):
        return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))

    means = {c: X[y == c].mean(axis=0) for c in labels}

    def vote(x, h):
        return labels[int(np.argmax([cosine(x[h], means[c][h]) for c in labels]))]

    hits = [sum(vote(x, h) == c for x, c in zip(X, y, strict=True)) for h in range(X.shape[1])]
    heads = np.argsort(hits)[-k:][::-1]
    return heads, lambda x: Counter(vote(x, h) for h in heads).most_common(1)[0][0]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), k=st.integers(1, 12), classes=st.integers(2, 4))
def test_heads_and_labels_are_those_of_the_published_method_ties_included(seed, k, classes) -> None:
    X, y = heads_of(24, classes=classes, seed=seed)
    X_test, _ = heads_of(30, classes=classes, seed=seed + 1)
    fitted = SparseAttentionVectors(head_dim=6, n_heads=k).fit(X.reshape(24, -1), y)
    heads, answer = published(X, y, k)
    assert fitted.heads_.tolist() == heads.tolist()
    given_ = fitted.predict(X_test.reshape(30, -1))
    assert given_.tolist() == [answer(x) for x in X_test]


@pytest.mark.parametrize("leave_one_out", [False, True])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_it_finds_the_heads_that_know(leave_one_out, soft, classes) -> None:
    X, y = heads_of(60, classes=classes)
    X_test, y_test = heads_of(400, classes=classes, seed=1)
    fitted = SparseAttentionVectors(head_dim=6, n_heads=2, leave_one_out=leave_one_out, soft=soft)
    fitted.fit(X.reshape(60, -1), y)
    assert set(fitted.heads_) == {3, 7}
    assert fitted.neurons_.tolist() == [*range(18, 24), *range(42, 48)]
    assert fitted.score(X_test.reshape(400, -1), y_test) > 0.9


def test_leaving_one_out_is_leaving_one_out() -> None:
    X, y = heads_of(20, n_heads=8)
    fitted = SparseAttentionVectors(head_dim=6, n_heads=8, leave_one_out=True)
    fitted.fit(X.reshape(20, -1), y)
    hits = np.zeros(8, dtype=int)
    for i in range(20):
        rest = np.arange(20) != i
        for h in range(8):
            means = [X[rest & (y == c), h].mean(axis=0) for c in (0, 1)]
            cosines = [X[i, h] @ mean / np.linalg.norm(mean) for mean in means]
            hits[h] += int(np.argmax(cosines)) == y[i]
    assert fitted.hits_.tolist() == hits[fitted.heads_].tolist()


def test_heads_of_noise_flatter_themselves_unless_one_is_left_out() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 50 * 64)), np.arange(20) % 2
    resubstituted, honest = (
        SparseAttentionVectors(head_dim=64, leave_one_out=loo).fit(X, y).hits_.mean() / 20
        for loo in (False, True)
    )
    assert resubstituted > 0.95
    assert honest < 0.8


def test_soft_votes_are_shares_of_softened_cosines() -> None:
    X, y = heads_of(40)
    fitted = SparseAttentionVectors(head_dim=6, n_heads=3, soft=True).fit(X.reshape(40, -1), y)
    p = fitted.predict_proba(X.reshape(40, -1))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert len(np.unique(p[:, 1])) == 40


def test_bad_input_is_refused() -> None:
    X, y = np.random.default_rng(0).normal(size=(6, 12)), [0, 1, 1, 1, 1, 1]
    with pytest.raises(DataError, match="12 columns aren't whole heads of 5"):
        SparseAttentionVectors(head_dim=5).fit(X, y)
    with pytest.raises(DataError, match="Class '0' has a single sample"):
        SparseAttentionVectors(head_dim=4, leave_one_out=True).fit(X, y)
    with pytest.raises(DataError, match="n_heads: 0"):
        SparseAttentionVectors(n_heads=0).fit(X, y)
