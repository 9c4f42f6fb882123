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


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize("classes", [2, 3])
def test_soft_votes_written_out_once_more(classes) -> None:
    X, y = heads_of(30, n_heads=8, classes=classes)
    queries, _ = heads_of(7, n_heads=8, classes=classes, seed=3)
    fitted = SparseAttentionVectors(head_dim=6, n_heads=3, soft=True).fit(X.reshape(30, -1), y)
    expected = np.zeros((7, classes))
    for row, query in enumerate(queries):
        for head in fitted.heads_:
            cosines = [cosine(query[head], X[y == c, head].mean(axis=0)) for c in range(classes)]
            shares = np.exp(np.array(cosines) / 0.07)
            expected[row] += shares / shares.sum() / 3
    given = queries.reshape(7, -1)
    np.testing.assert_allclose(fitted.predict_proba(given), expected, rtol=1e-9)
    decision = expected[:, 1] - expected[:, 0] if classes == 2 else expected
    np.testing.assert_allclose(fitted.decision_function(given), decision, atol=1e-9)


def test_of_heads_with_as_many_hits_the_one_with_the_wider_margin_comes_first() -> None:
    # All heads get every sample right; the angle between the classes is what differs.
    y = np.arange(12) % 2
    angles = [0.5, 1.5, 1.0, 0.2]
    X = np.stack(
        [np.stack([np.cos(a * y), np.sin(a * y)], axis=1) for a in angles], axis=1
    ) * np.linspace(1, 2, 12).reshape(-1, 1, 1)
    fitted = SparseAttentionVectors(head_dim=2, n_heads=3, leave_one_out=True)
    fitted.fit(X.reshape(12, -1), y)
    assert fitted.heads_.tolist() == [1, 2, 0]
    assert fitted.hits_.tolist() == [12, 12, 12]


def test_two_samples_of_a_class_are_enough_to_leave_one_out() -> None:
    X = np.array([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    fitted = SparseAttentionVectors(leave_one_out=True).fit(X, [0, 0, 1, 1])
    assert fitted.hits_.tolist() == [4]
    single = SparseAttentionVectors().fit(X[:3], [0, 0, 1])
    np.testing.assert_allclose(single.centroids_[0], [[1.0, 0.05], [0.0, 1.0]])


def test_without_a_width_all_columns_are_one_head() -> None:
    X, y = heads_of(20, n_heads=8)
    fitted = SparseAttentionVectors().fit(X.reshape(20, -1), y)
    assert fitted.heads_.tolist() == [0]
    assert fitted.centroids_.shape == (1, 2, 48)
    assert fitted.neurons_.tolist() == list(range(48))


def test_heads_of_one_value_know_its_sign_alone() -> None:
    y = np.arange(10) % 2
    X = np.stack([2.0 * y - 1, np.ones(10), 1 - 2.0 * y], axis=1)
    fitted = SparseAttentionVectors(head_dim=1, n_heads=2).fit(X, y)
    assert sorted(fitted.heads_.tolist()) == [0, 2]
    assert fitted.predict(X * 100).tolist() == y.tolist()


@pytest.mark.parametrize("soft", [False, True])
def test_the_length_of_a_vector_says_nothing(soft) -> None:
    X, y = heads_of(30)
    factors = np.random.default_rng(0).uniform(0.1, 9, size=(30, 12, 1))
    fitted = SparseAttentionVectors(head_dim=6, n_heads=5, soft=soft).fit(X.reshape(30, -1), y)
    one, other = (fitted.predict_proba(A.reshape(30, -1)) for A in (X, X * factors))
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_shares_of_votes_are_votes_but_for_ties(classes) -> None:
    X, y = heads_of(40, classes=classes)
    fitted = SparseAttentionVectors(head_dim=6, n_heads=9).fit(X.reshape(40, -1), y)
    p = fitted.predict_proba(X.reshape(40, -1))
    votes = np.zeros((40, classes))
    for row in range(40):
        for head, centroids in zip(fitted.heads_, fitted.centroids_, strict=True):
            votes[row, np.argmax([cosine(X[row, head], centroid) for centroid in centroids])] += 1
    np.testing.assert_allclose(p.sum(axis=1), 1)
    for row in range(40):
        # What breaks a tie is less than half a vote: it turns no majority.
        ahead = votes[row] == votes[row].max()
        assert ahead[p[row].argmax()]
        assert (p[row][ahead].min() > p[row][~ahead]).all()
    np.testing.assert_allclose(p, votes / 9, atol=0.5 / 9 + 1e-9)
