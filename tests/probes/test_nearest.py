from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from superneurons.probes.nearest import NearestNeighbours

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
