from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, f1_score

from devices import DEVICES
from superneurons.errors import DataError
from superneurons.probes.scores import neuron_scores, sign_counts

from .synthetic import planted

FLOAT16 = st.floats(-4, 4, width=16)
MATRICES = st.tuples(st.integers(2, 12), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float16, shape, elements=FLOAT16)
)


@settings(max_examples=40, deadline=None)
@given(X=MATRICES, threshold=st.floats(-2, 2), data=st.data(), chunk=st.integers(1, 10))
def test_scores_are_those_of_scikit_learn_for_any_threshold_and_chunk(
    X, threshold, data, chunk
) -> None:
    y = data.draw(arrays(np.bool_, X.shape[0]))
    says = X.astype(np.float64) > threshold
    accuracy = [accuracy_score(y, column) for column in says.T]
    f1 = [f1_score(y, column, zero_division=0) for column in says.T]
    for given_X in (X, X.astype(np.float32), torch.from_numpy(X.copy())):
        kwargs = {"threshold": threshold, "chunk": chunk}
        np.testing.assert_allclose(neuron_scores(given_X, y, **kwargs), accuracy)
        np.testing.assert_allclose(neuron_scores(given_X, y, "f1", **kwargs), f1)


FEW = st.sampled_from([-1.0, -0.5, -0.0, 0.0, 0.5, 1.0])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(2, 9), threshold=FEW, chunk=st.integers(1, 5))
def test_activations_on_the_threshold_say_no(data, n, threshold, chunk) -> None:
    X = data.draw(arrays(np.float16, (n, 4), elements=FEW))
    y = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    fired = [[a > threshold for a in column] for column in X.T.tolist()]
    right = [sum(f == c for f, c in zip(column, y.tolist(), strict=True)) for column in fired]
    hits = [sum(f and c for f, c in zip(column, y.tolist(), strict=True)) for column in fired]
    accuracy = neuron_scores(X, y, threshold=threshold, chunk=chunk)
    np.testing.assert_array_equal(accuracy, np.array(right) / n)
    f1 = [
        2 * hit / (sum(column) + sum(y)) if hit else 0.0
        for hit, column in zip(hits, fired, strict=True)
    ]
    np.testing.assert_array_equal(neuron_scores(X, y, "f1", threshold=threshold, chunk=chunk), f1)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), n=st.integers(2, 9), metric=st.sampled_from(["accuracy", "f1"]))
def test_scores_know_no_order_and_equal_neurons_score_equally(data, n, metric) -> None:
    X = data.draw(arrays(np.float16, (n, 4), elements=FEW))
    y = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    X[:, 3] = 4 * X[:, 1]
    rows = np.array(data.draw(st.permutations(range(n))))
    columns = np.array(data.draw(st.permutations(range(4))))
    scores = neuron_scores(X, y, metric)
    assert scores[3] == scores[1]
    shuffled = neuron_scores(X[rows][:, columns], y[rows], metric)
    np.testing.assert_array_equal(shuffled, scores[columns])
    np.testing.assert_array_equal(
        neuron_scores(np.repeat(X, 3, axis=0), np.repeat(y, 3), metric), scores
    )


def test_a_threshold_between_two_float16_values_decides_as_real_numbers_do() -> None:
    below, above = np.float16(0.1), np.nextafter(np.float16(0.1), np.float16(1))
    assert float(below) < 0.1 < float(above)
    X = np.array([[below], [above]], dtype=np.float16)
    assert neuron_scores(X, [False, True], threshold=0.1).tolist() == [1.0]
    # 0.7 rounds *up* to float16: its neighbour above must still count as above.
    up = np.float16(0.7)
    assert float(up) > 0.7
    assert sign_counts(np.array([[up]]), [[1]], threshold=0.7).tolist() == [[1.0]]


def test_zero_is_not_above_zero_whatever_its_sign() -> None:
    X = np.array([[0.0, -0.0], [1.0, 1.0]], dtype=np.float16)
    assert sign_counts(X, [[1, 1]]).tolist() == [[1.0, 1.0]]


def test_order_of_samples_does_not_matter() -> None:
    X, y = planted(101, 30, dtype=np.float16)
    order = np.random.default_rng(1).permutation(len(y))
    np.testing.assert_array_equal(neuron_scores(X, y), neuron_scores(X[order], y[order]))


def test_flipped_labels_give_the_complement() -> None:
    X, y = planted(101, 30)
    np.testing.assert_allclose(neuron_scores(X, y) + neuron_scores(X, 1 - y), 1)


def test_a_memory_map_is_scored_in_place(tmp_path) -> None:
    X, y = planted(64, 33, dtype=np.float16)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(neuron_scores(mapped, y), neuron_scores(X, y))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_tensor_on_any_device_is_scored_as_its_array(device, dtype) -> None:
    X, y = planted(301, 70, dtype=dtype)
    tensor = torch.from_numpy(X.copy()).to(device)
    for metric in ("accuracy", "f1"):
        found = neuron_scores(tensor, y, metric, threshold=0.1, chunk=32)
        np.testing.assert_array_equal(found, neuron_scores(X, y, metric, threshold=0.1))
    tensor[3, 5] = torch.nan
    with pytest.raises(DataError, match="sample 3: NaN in 1 of 70 columns: 5"):
        neuron_scores(tensor, y)


def test_weights_count_apart() -> None:
    X = np.array([[1.0], [1.0], [-1.0]])
    assert sign_counts(X, [[1, 0, 0], [0, 2, 5], [1, 1, 1]]).tolist() == [[1], [2], [2]]


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.zeros((3, 2)), [True, False]),
        (np.zeros(3), [True, False, True]),
        (np.zeros((2, 2)), [1, 2]),
        (np.zeros((2, 2)), ["no", "yes"]),
    ],
)
def test_shapes_and_labels_that_do_not_fit_are_refused(X, y) -> None:
    with pytest.raises(DataError, match="don't belong together"):
        neuron_scores(X, y)


def test_nan_is_refused_with_its_place() -> None:
    X = np.zeros((3, 7))
    X[1, 5] = np.nan
    with pytest.raises(DataError, match="sample 1: NaN in 1 of 7 columns: 5"):
        neuron_scores(X, [True, False, True])


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(DataError, match="'auc'"):
        neuron_scores(np.zeros((2, 2)), [True, False], "auc")
