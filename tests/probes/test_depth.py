from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.probes.depth import DepthAnswers, depth_answers, depth_scores, shallowest
from superneurons.probes.ridge import targets
from superneurons.probes.soft_votes import SoftVotes
from superneurons.probes.super_neurons import SuperNeurons

N, WIDTH, LAYERS = 240, 40, 8


def layered(knows: dict[int, float], *, classes: int = 2, seed: int = 0) -> tuple:
    """Activations in which some layers (from 1) know the class in a quarter of their neurons."""
    rng = np.random.default_rng(seed)
    y = np.arange(N) % classes
    X = rng.normal(size=(N, LAYERS, WIDTH))
    for layer, strength in knows.items():
        X[:, layer - 1, :10] += strength * rng.normal(size=(classes, 10))[y]
    return X.reshape(N, -1).astype(np.float32), y


def scores_of(X: np.ndarray, y: np.ndarray, n_folds: int = 4) -> np.ndarray:
    fold = np.arange(N) // 12 % n_folds
    return depth_scores(SoftVotes.of(X), targets(y, y.max() + 1), y, fold, WIDTH)


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_rise_where_a_layer_knows(classes: int) -> None:
    X, y = layered({4: 1.5}, classes=classes)
    scores = scores_of(X, y)
    assert scores.shape == (LAYERS,)
    assert scores[:3].max() < 1 / classes + 0.15
    assert scores[3:].min() > 0.9


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_those_of_the_answers(classes: int) -> None:
    X, y = layered({4: 0.5}, classes=classes)
    fold = np.arange(N) // 12 % 4
    rows, given = depth_answers(SoftVotes.of(X), targets(y, classes), y, fold, WIDTH)
    assert rows.tolist() == list(range(N))
    assert given.shape == (LAYERS, N)
    recalls = [(given[:, y == c] == c).mean(axis=1) for c in range(classes)]
    np.testing.assert_allclose(scores_of(X, y), np.mean(recalls, axis=0))


def test_what_chose_the_depth_is_kept_with_the_samples_as_they_were_given() -> None:
    X, y = layered({2: 0.4, 4: 0.8})
    fitted = SuperNeurons(layer_width=WIDTH).fit(X, y)
    kept = fitted.depth_answers_
    assert isinstance(kept, DepthAnswers)
    assert kept.given.shape == (LAYERS, N)
    assert sorted(kept.rows.tolist()) == list(range(N))
    assert kept.rows.tolist() != list(range(N))  # they were counted in another order
    assert shallowest(kept.scores(y), 0.01) == fitted.depth_
    # Were they those of other samples, a layer that knows would not be right more often.
    right = (kept.given[-1] == y[kept.rows]).mean()
    assert right > 0.8
    assert fitted.set_params(tolerance=None).fit(X, y).depth_answers_ is None


def test_no_sample_is_answered_by_a_fit_that_knew_it() -> None:
    """Labels that mean nothing can't be answered, although there are more neurons than samples."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, LAYERS * WIDTH)).astype(np.float32), rng.integers(2, size=N)
    assert scores_of(X, y).max() < 0.62


def test_later_layers_change_no_earlier_score() -> None:
    """But for the trust, which is relative: so the deep ones know nothing here."""
    X, y = layered({2: 1.0})
    other = X.copy()
    other[:, 5 * WIDTH :] = np.random.default_rng(1).normal(size=(N, 3 * WIDTH))
    np.testing.assert_allclose(scores_of(X, y)[:5], scores_of(other, y)[:5], atol=0.03)


def test_the_score_is_that_of_a_kernel_ridge_by_hand() -> None:
    """One layer: all neurons are of one neighbourhood, and trusted alike."""
    X, y = layered({1: 0.7})
    X, fold = X[:, :WIDTH].astype(np.float64), np.arange(N) // 12 % 4
    votes = (X - X.mean(axis=0)) / X.std(axis=0)
    Y = np.where(y == 1, 1.0, -1.0)
    found = []
    for penalty in (0.03, 0.3, 3.0):
        given = np.empty(N)
        for f in range(4):
            A, B = votes[fold != f], votes[fold == f]
            centre = A.mean(axis=0)
            A, B = A - centre, B - centre
            ridge = penalty * np.trace(A @ A.T) / len(A)
            inside = Y[fold != f]
            coef = np.linalg.solve(A.T @ A + ridge * np.eye(WIDTH), A.T @ (inside - inside.mean()))
            given[fold == f] = B @ coef + inside.mean()
        means = given[y == 1].mean(), given[y == 0].mean()
        says = given > sum(means) / 2
        found.append((np.mean(says[y == 1]) + np.mean(~says[y == 0])) / 2)
    assert scores_of(X.astype(np.float32), y)[0] == pytest.approx(max(found), abs=0.005)


def test_the_read_out_stops_where_more_layers_add_nothing() -> None:
    X, y = layered({3: 1.5, 6: 1.5, 8: 1.5})
    early = SuperNeurons(layer_width=WIDTH).fit(X, y)
    assert early.depth_ == 3
    assert early.neurons_.max() < 3 * WIDTH
    every = SuperNeurons(layer_width=WIDTH, tolerance=None).fit(X, y)
    assert every.depth_ == LAYERS
    assert every.neurons_.max() >= 3 * WIDTH


def test_it_goes_on_where_they_add_much() -> None:
    X, y = layered({2: 0.25, 7: 1.5})
    assert SuperNeurons(layer_width=WIDTH).fit(X, y).depth_ == 7
    cheap = SuperNeurons(layer_width=WIDTH, tolerance=0.45).fit(X, y)
    assert cheap.depth_ < 7


def test_without_a_layer_width_all_columns_are_one_layer() -> None:
    X, y = layered({3: 1.5})
    one = SuperNeurons().fit(X, y)
    every = SuperNeurons(layer_width=WIDTH, tolerance=None).fit(X, y)
    assert one.depth_ == 1
    np.testing.assert_array_equal(one.neurons_, every.neurons_)
    np.testing.assert_array_equal(one.coef_, every.coef_)


def test_the_order_of_the_samples_does_not_matter() -> None:
    X, y = layered({3: 0.8, 5: 0.8})
    groups = np.arange(N) // 2
    order = np.random.default_rng(2).permutation(N)
    one = SuperNeurons(layer_width=WIDTH).fit(X, y, groups)
    other = SuperNeurons(layer_width=WIDTH).fit(X[order], y[order], groups[order])
    assert one.depth_ == other.depth_
    np.testing.assert_array_equal(one.neurons_, other.neurons_)


def test_more_samples_than_are_needed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = layered({4: 1.5})
    monkeypatch.setattr("superneurons.probes.depth._MOST_SAMPLES", 60)
    scores = scores_of(X, y)
    assert scores[3:].min() > 0.8
    fold = np.arange(N) // 12 % 4
    rows, given = depth_answers(SoftVotes.of(X), targets(y, 2), y, fold, WIDTH)
    assert (len(rows), given.shape) == (60, (LAYERS, 60))
    rare = y.copy()
    rare[-1] = 2  # a class that the first samples lack
    fold = np.arange(N) // 12 % 4
    assert np.isfinite(depth_scores(SoftVotes.of(X), targets(rare, 3), rare, fold, WIDTH)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0, 0.2))
def test_the_shallowest_is_good_enough_and_nothing_before_it_is(
    values: list[float], tolerance: float
) -> None:
    scores = np.array(values)
    depth = shallowest(scores, tolerance)
    assert scores[depth - 1] >= scores.max() - tolerance - 1e-9
    assert (scores[: depth - 1] < scores.max() - tolerance).all()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"layer_width": 7}, "320 columns aren't whole layers of 7"),
        ({"layer_width": 0}, "layer_width"),
        ({"tolerance": -0.1}, "tolerance"),
        ({"tolerance": "none"}, "tolerance"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict, said: str) -> None:
    X, y = layered({})
    with pytest.raises(DataError, match=said):
        SuperNeurons(**parameters).fit(X, y)
