from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge

from superneurons.probes.ridge import RidgePath, dual_weights, gaussian_log_odds, targets

SHAPES = st.tuples(st.integers(3, 25), st.integers(1, 25), st.integers(1, 3))


def regression(shape, seed):
    n, k, t = shape
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) + rng.normal(size=k), rng.normal(size=(n, t))


def unit_of(A):
    return np.square(A - A.mean(axis=0)).sum() / len(A)


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 99), penalty=st.sampled_from([0.01, 0.3, 3.0]))
def test_the_path_solves_ridge_regression_whichever_way_is_cheaper(shape, seed, penalty) -> None:
    A, Y = regression(shape, seed)
    coefficients, intercept = RidgePath.of(A, Y).solve(penalty)
    expected = Ridge(alpha=penalty * unit_of(A), solver="svd").fit(A, Y).predict(A)
    np.testing.assert_allclose(A @ coefficients + intercept, expected.reshape(Y.shape), atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 99), penalty=st.sampled_from([0.01, 0.3, 3.0]))
def test_weights_of_samples_give_the_same_coefficients(shape, seed, penalty) -> None:
    A, Y = regression(shape, seed)
    alphas = dual_weights(A @ A.T, Y, penalty)
    np.testing.assert_allclose(A.T @ alphas, RidgePath.of(A, Y).solve(penalty)[0], atol=1e-8)


def test_features_that_say_nothing_leave_the_mean() -> None:
    Y = np.array([[1.0], [1.0], [-1.0]])
    coefficients, intercept = RidgePath.of(np.full((3, 5), 7.0), Y).solve(0.1)
    assert (coefficients == 0).all()
    assert intercept == pytest.approx([1 / 3])
    assert np.isfinite(dual_weights(np.zeros((3, 3)), Y, 0.1)).all()


def test_the_unit_of_the_features_does_not_matter() -> None:
    A, Y = regression((20, 5, 1), 0)
    one, other = (scale * RidgePath.of(A * scale, Y).solve(0.1)[0] for scale in (1, 1000))
    np.testing.assert_allclose(one, other)


def test_targets() -> None:
    assert targets(np.array([0, 1]), 2).tolist() == [[-1], [1]]
    assert targets(np.array([0, 2]), 3).tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_log_odds_are_those_of_linear_discriminant_analysis(n_classes) -> None:
    rng = np.random.default_rng(0)
    codes = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, 3000)])
    scores = rng.normal(size=(len(codes), 2)) @ [[1, 0.5], [0, 2]]
    scores += rng.normal(size=(n_classes, 2))[codes]
    A, b = gaussian_log_odds(scores, codes, n_classes)
    expected = LinearDiscriminantAnalysis(solver="lsqr").fit(scores, codes)
    decision = scores @ A + b
    if n_classes == 2:
        np.testing.assert_allclose(decision[:, 0], expected.decision_function(scores), rtol=0.01)
    else:
        log_p = decision - np.log(np.exp(decision).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(log_p, expected.predict_log_proba(scores), atol=0.02)


def test_a_class_between_two_others_is_found() -> None:
    codes = np.repeat([0, 1, 2], 100)
    x = codes + np.random.default_rng(0).normal(scale=0.1, size=300)
    coefficients, intercept = RidgePath.of(x[:, None], targets(codes, 3)).solve(1e-6)
    scores = x[:, None] @ coefficients + intercept
    assert np.mean(scores[100:200].argmax(axis=1) == 1) < 0.5
    A, b = gaussian_log_odds(scores, codes, 3)
    assert np.mean((scores @ A + b).argmax(axis=1) == codes) > 0.99


def test_perfect_separation_and_constant_scores_stay_finite() -> None:
    codes = np.array([0, 0, 1, 1])
    for scores in (np.array([[-1.0], [-1], [1], [1]]), np.zeros((4, 1))):
        A, b = gaussian_log_odds(scores, codes, 2)
        assert np.isfinite(A).all()
        assert np.isfinite(b).all()


@settings(max_examples=20, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_no_other_coefficients_cost_less(shape, seed) -> None:
    A, Y = regression(shape, seed)
    coefficients, intercept = RidgePath.of(A, Y).solve(0.2)

    def cost(B: np.ndarray, b: np.ndarray) -> float:
        return float(np.sum((Y - A @ B - b) ** 2) + 0.2 * unit_of(A) * np.sum(B**2))

    rng = np.random.default_rng(seed)
    least = cost(coefficients, intercept)
    for _ in range(5):
        step = 0.01 * rng.normal(size=coefficients.shape)
        assert cost(coefficients + step, intercept) > least
        assert cost(coefficients, intercept + 0.01 * rng.normal(size=intercept.shape)) > least


@settings(max_examples=20, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 99), factor=st.sampled_from([0.01, 1.0, 1e3]))
def test_what_is_added_to_features_or_targets_moves_the_intercept_alone(
    shape, seed, factor
) -> None:
    A, Y = regression(shape, seed)
    B, b = RidgePath.of(A, Y).solve(0.5)
    moved_B, moved_b = RidgePath.of(A + factor, Y + 3).solve(0.5)
    np.testing.assert_allclose(moved_B, B, atol=1e-7)
    np.testing.assert_allclose(moved_b, b + 3 - factor * B.sum(axis=0), atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_one_sample_s_worth_of_the_overall_spread_is_added(n_classes) -> None:
    codes = np.array([0, 0, 0, 1, 1, 2])[: 5 if n_classes == 2 else 6]
    scores = np.array([[-1.0, 0.5], [-2.0, 0.0], [0.0, 1.0], [2.0, 1.0], [1.0, -1.0], [0.0, 3.0]])
    scores = scores[: len(codes)]
    means = np.stack([scores[codes == c].mean(axis=0) for c in range(n_classes)])
    inside = scores - means[codes]
    overall = scores - scores.mean(axis=0)
    covariance = inside.T @ inside + overall.T @ overall / len(codes)
    covariance = covariance / (len(codes) + 1) + 1e-6 * np.eye(2)
    A, b = gaussian_log_odds(scores, codes, n_classes)
    log_p = [
        scores @ np.linalg.solve(covariance, mean)
        - mean @ np.linalg.solve(covariance, mean) / 2
        + np.log(np.mean(codes == c))
        for c, mean in enumerate(means)
    ]
    expected = (log_p[1] - log_p[0])[:, None] if n_classes == 2 else np.stack(log_p, axis=1)
    assert (A.shape, b.shape) == (((2, 1), (1,)) if n_classes == 2 else ((2, 3), (3,)))
    np.testing.assert_allclose(scores @ A + b, expected, rtol=1e-9)
