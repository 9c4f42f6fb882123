from __future__ import annotations

import numpy as np
import pytest

from superneurons.errors import DataError
from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.nearest import NearestNeighbours

from .synthetic import planted

READ_OUTS = [LogisticProbe, NearestNeighbours]


def layered(n: int = 200, *, seed: int = 0, classes: int = 2):
    """Three layers of 20 neurons; the second knows the answer, the third knows it less well."""
    rng = np.random.default_rng(seed)
    X, y = planted(n, 20, classes=classes, strength=1.5, seed=seed)
    return np.concatenate([rng.normal(size=(n, 20)), X, X + rng.normal(size=(n, 20))], axis=1), y


@pytest.mark.parametrize("read_out", READ_OUTS)
@pytest.mark.parametrize("classes", [2, 3])
def test_it_finds_the_layer_that_knows(read_out, classes) -> None:
    X, y = layered(classes=classes)
    X_test, y_test = layered(600, classes=classes, seed=1)
    fitted = read_out(layer_width=20).fit(X, y)
    assert fitted.layer_ == 1
    assert fitted.neurons_.tolist() == list(range(20, 40))
    assert fitted.score(X_test, y_test) == pytest.approx(fitted.cv_score_, abs=0.08)
    assert fitted.cv_score_ > (0.93 if classes == 2 else 0.6)


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_the_order_of_samples_changes_nothing(read_out) -> None:
    X, y = layered(120)
    groups = np.arange(120) // 3
    order = np.random.default_rng(0).permutation(120)
    one = read_out(layer_width=20).fit(X, y, groups)
    other = read_out(layer_width=20).fit(X[order], y[order], groups[order])
    assert (one.layer_, one.setting_, one.cv_score_) == (
        other.layer_,
        other.setting_,
        other.cv_score_,
    )
    np.testing.assert_allclose(one.decision_function(X), other.decision_function(X), rtol=1e-6)


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_groups_are_not_parted_when_choosing(read_out) -> None:
    # Three noisy looks at each picture, whose label hangs on nothing.
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(50, 40)), 3, axis=0) + 0.01 * rng.normal(size=(150, 40))
    y, groups = np.repeat(rng.permutation(np.arange(50) % 2), 3), np.repeat(np.arange(50), 3)
    assert read_out().fit(X, y).cv_score_ > 0.9
    assert read_out().fit(X, y, groups).cv_score_ < 0.75


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_of_equal_layers_the_shallowest_is_read(read_out) -> None:
    X, y = planted(100, 10)
    fitted = read_out(layer_width=10).fit(np.concatenate([X, X], axis=1), y)
    assert fitted.layer_ == 0


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_columns_that_are_no_whole_layers_are_refused(read_out) -> None:
    X, y = planted(50, 30)
    with pytest.raises(DataError, match="30 columns aren't whole layers of 7"):
        read_out(layer_width=7).fit(X, y)
    with pytest.raises(DataError, match="n_folds: 1"):
        read_out(n_folds=1).fit(X, y)


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_without_a_width_all_columns_are_one_layer(read_out) -> None:
    X, y = planted(40, 9)
    fitted = read_out().fit(X, y)
    assert (fitted.layer_, fitted.neurons_.tolist()) == (0, list(range(9)))
    np.testing.assert_allclose(fitted.mean_, X.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fitted.per_unit_, 1 / X.std(axis=0), rtol=1e-4)


@pytest.mark.parametrize("read_out", READ_OUTS)
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_decisions_as_odds(read_out, classes) -> None:
    X, y = planted(40, 9, classes=classes)
    fitted = read_out().fit(X, y)
    decision, p = fitted.decision_function(X), fitted.predict_proba(X)
    if classes == 2:
        np.testing.assert_allclose(np.log(p[:, 1]) - np.log(p[:, 0]), decision, atol=1e-9)
    else:
        shares = np.exp(decision)
        np.testing.assert_allclose(p, shares / shares.sum(axis=1, keepdims=True), rtol=1e-9)


@pytest.mark.parametrize("read_out", READ_OUTS)
def test_layers_of_noise_beside_it_change_nothing_in_what_is_learned(read_out) -> None:
    X, y = layered(90)
    groups = np.arange(90)
    fitted = read_out(layer_width=20).fit(X, y, groups)
    alone = read_out().fit(X[:, 20:40], y, groups)
    assert (fitted.layer_, fitted.setting_) == (1, alone.setting_)
    np.testing.assert_allclose(
        fitted.decision_function(X), alone.decision_function(X[:, 20:40]), rtol=1e-5, atol=1e-6
    )


def test_folds_are_drawn_by_the_seed_and_the_score_is_a_share_of_samples() -> None:
    X, y = planted(40, 6, strength=0.3)
    fits = [NearestNeighbours(n_folds=5, random_state=seed).fit(X, y) for seed in range(4)]
    scores = {fitted.cv_score_ for fitted in fits}
    assert len(scores) > 1
    assert all(score * 40 == pytest.approx(round(score * 40)) for score in scores)
