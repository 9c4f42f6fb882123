from __future__ import annotations

import numpy as np
import pytest

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
