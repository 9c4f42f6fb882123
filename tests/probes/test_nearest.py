from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from superneurons.probes.nearest import NearestNeighbours
from superneurons.probes.splits import folds

from .synthetic import planted


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_nearest_neighbours_by_cosine_of_standard_scores(classes) -> None:
    X, y = planted(150, 8, classes=classes, strength=1.0, dtype=np.float64)
    X_test, _ = planted(100, 8, classes=classes, strength=1.0, seed=1, dtype=np.float64)
    fitted = NearestNeighbours().fit(X, y)
    mean, std = X.mean(axis=0), X.std(axis=0)
    expected = KNeighborsClassifier(int(fitted.setting_), metric="cosine", algorithm="brute")
    shares = expected.fit((X - mean) / std, y).predict_proba((X_test - mean) / std)
    k = fitted.setting_
    smoothed = (shares * k + 0.5) / (k + 0.5 * classes)
    np.testing.assert_allclose(fitted.predict_proba(X_test), smoothed, atol=1e-6)


def test_a_few_clusters_of_one_class_each_are_no_trouble() -> None:
    # Two classes in four corners: no straight cut parts them.
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 2, size=(400, 2))
    X = (2 * corners - 1) * 3 + rng.normal(size=(400, 2))
    y = corners.sum(axis=1) % 2
    assert NearestNeighbours().fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.95


def test_an_example_that_is_all_mean_has_no_direction_and_does_no_harm() -> None:
    X, y = planted(60, 5)
    fitted = NearestNeighbours().fit(X, y)
    assert np.isfinite(fitted.predict_proba(X.mean(axis=0, keepdims=True))).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 3))
def test_of_equally_similar_samples_the_first_count_whatever_rounding_says(seed, classes) -> None:
    # Each of twelve samples comes several times, with labels that contradict each other.
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 3))[rng.integers(0, 12, 40)].astype(np.float32)
    y = rng.permutation(40) % classes
    fitted = NearestNeighbours().fit(X, y)
    queries = np.concatenate([rng.normal(size=(15, 3)), 3 * X[:5]])
    k, examples, shares = int(fitted.setting_), fitted.examples_.astype(np.float64), []
    for query in (queries - fitted.mean_) * fitted.per_unit_:
        similarity = [math.fsum(example * query) for example in examples]
        nearest = sorted(range(40), key=lambda i: (-similarity[i], i))[:k]
        votes = np.bincount(fitted.example_codes_[nearest], minlength=classes)
        shares.append((votes + 0.5) / (k + 0.5 * classes))
    np.testing.assert_allclose(fitted.predict_proba(queries), shares, rtol=1e-9)


def test_cross_validation_written_out_once_more() -> None:
    X, y = planted(45, 12, strength=0.6, dtype=np.float64, seed=4)
    fitted = NearestNeighbours(layer_width=4, n_folds=3, random_state=2).fit(X, y)
    fold = folds(X, y, None, n_folds=3, seed=2)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    right = {}
    for layer in range(3):
        A = Z[:, 4 * layer : 4 * layer + 4]
        A = A / np.linalg.norm(A, axis=1, keepdims=True)
        for k in (1, 5, 15):
            right[layer, k] = 0
            for i, query in enumerate(A):
                others = np.flatnonzero(fold != fold[i])
                nearest = others[np.argsort(-(A[others] @ query))[:k]]
                right[layer, k] += int((y[nearest].mean() > 0.5) == y[i])
    most = max(right.values())
    assert (fitted.layer_, fitted.setting_) == next(key for key in right if right[key] == most)
    assert fitted.cv_score_ == pytest.approx(most / 45)


@pytest.mark.parametrize(("n", "most"), [(6, 1), (8, 1), (10, 5), (28, 5), (30, 15), (90, 45)])
def test_no_more_neighbours_are_asked_than_half_the_samples(n, most) -> None:
    assert max(NearestNeighbours()._settings(n)) == most
    assert min(NearestNeighbours()._settings(n)) == 1


def test_examples_are_of_unit_length_and_kept_with_their_classes() -> None:
    X, y = planted(30, 6)
    fitted = NearestNeighbours().fit(X, y)
    np.testing.assert_allclose(np.linalg.norm(fitted.examples_, axis=1), 1, rtol=1e-5)
    assert fitted.examples_.shape == (30, 6)
    assert np.bincount(fitted.example_codes_).tolist() == np.bincount(y).tolist()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    places = [int(np.abs(Z - example).max(axis=1).argmin()) for example in fitted.examples_]
    assert sorted(places) == list(range(30))
    assert y[places].tolist() == fitted.example_codes_.tolist()


def test_half_a_neighbour_is_added_to_each_class() -> None:
    X, y = planted(20, 3, strength=50, classes=2)
    fitted = NearestNeighbours().fit(X, y)
    assert fitted.setting_ == 1  # of settings with as many right answers the first
    np.testing.assert_allclose(fitted.predict_proba(X)[:, 1], np.where(y == 1, 0.75, 0.25))
    np.testing.assert_allclose(np.abs(fitted.decision_function(X)), np.log(3))


def test_a_sample_far_out_in_one_direction_is_like_one_nearby() -> None:
    X, y = planted(40, 4)
    fitted = NearestNeighbours().fit(X, y)
    away = X - X.mean(axis=0)
    one, other = (fitted.predict_proba(X.mean(axis=0) + f * away) for f in (0.5, 200.0))
    np.testing.assert_allclose(one, other)
