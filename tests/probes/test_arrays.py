from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.probes.arrays import (
    as_tensor,
    check_binary,
    check_finite,
    check_layers,
    check_query,
    check_training,
    row_products,
)
from superneurons.probes.logits import LabelLogits
from superneurons.task.labels import DataWarning


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_view_shares_memory(dtype: type) -> None:
    X = np.zeros((3, 4), dtype=dtype)
    view = as_tensor(X)
    X[1, 2] = 5
    assert view[1, 2] == 5


def test_a_read_only_memory_map_is_viewed_without_a_warning(tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert as_tensor(mapped).sum() == 3


def test_a_foreign_byte_order_is_read_right() -> None:
    X = np.array([[1.0, -2.0]], dtype=">f4")
    assert as_tensor(X).tolist() == [[1.0, -2.0]]


def test_columns_and_rows_in_reverse_are_read_right() -> None:
    X = np.arange(6.0).reshape(2, 3)
    assert as_tensor(X[::-1, ::-1]).tolist() == X[::-1, ::-1].tolist()
    assert as_tensor(X[:1, ::-1][:, :1]).tolist() == X[:1, ::-1][:, :1].tolist()
    assert as_tensor(X[::-1][:1]).tolist() == X[::-1][:1].tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("column", [0, 4095, 4096, 5000])
def test_every_sample_that_is_not_finite_is_named_with_its_columns(bad, dtype, column) -> None:
    X = np.zeros((6, 5001), dtype=dtype)
    X[[2, 4], column] = bad
    with pytest.raises(DataError) as caught:
        check_finite(X)
    assert [problem.where for problem in caught.value.problems] == ["sample 2", "sample 4"]
    assert str(column) in caught.value.problems[0].what
    assert ("NaN" if np.isnan(bad) else "inf") in caught.value.problems[0].what


def test_the_largest_float16_is_finite_and_so_is_nothing_at_all() -> None:
    check_finite(np.full((2, 2), 65504, dtype=np.float16))
    check_finite(np.zeros((0, 3), dtype=np.float32))
    check_finite(torch.ones(2, 2))


def test_a_long_list_of_columns_is_cut_short() -> None:
    X = np.full((1, 100), np.nan, dtype=np.float32)
    with pytest.raises(DataError, match=r"NaN in 100 of 100 columns: 0, 1, 2, 3, 4 …"):
        check_finite(X)


def test_numbers_near_infinity_are_refused_by_name() -> None:
    X = np.zeros((2, 3))
    X[1, 2] = -2e30
    with pytest.raises(DataError, match=r"sample 1: more than 1e\+30 in 1 of 3 columns: 2"):
        check_finite(X)
    check_finite(X / 2)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 12),
    k=st.integers(1, 300),
    t=st.integers(1, 4),
    seed=st.integers(0, 99),
    at_once=st.integers(1, 900),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_products_are_those_of_each_row_by_itself(n, k, t, seed, at_once, dtype) -> None:
    rng = np.random.default_rng(seed)
    X, weights = rng.normal(size=(n, k)).astype(dtype), rng.normal(size=(k, t))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("superneurons.probes.arrays._PRODUCTS_AT_ONCE", at_once)
        products = row_products(X, weights)
    np.testing.assert_allclose(products, X.astype(np.float64) @ weights, atol=1e-11)
    alone = np.concatenate([row_products(row[None], weights) for row in X])
    np.testing.assert_array_equal(products, alone)
    np.testing.assert_array_equal(products, row_products(np.asfortranarray(X), weights))


class Noted:
    """Stands for an estimator: what is checked is noted on it."""


def a_query(neurons: list[int], columns: int) -> LabelLogits:
    fitted = LabelLogits()
    fitted.n_features_in_ = columns
    fitted.neurons_ = np.array(neurons)
    return fitted


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_taken_as_they_are_and_labels_become_codes(dtype) -> None:
    X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=dtype)
    estimator = LabelLogits()
    taken, codes = check_training(estimator, X, ["yes", "no", "yes"])
    assert np.shares_memory(taken, X)
    assert (codes.tolist(), codes.dtype) == ([1, 0, 1], np.int64)
    assert estimator.classes_.tolist() == ["no", "yes"]
    assert estimator.n_features_in_ == 2


def test_whole_numbers_and_lists_become_floats() -> None:
    taken, _ = check_training(LabelLogits(), [[1, 2], [3, 4]], [0, 1])
    assert taken.dtype == np.float64
    assert taken.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_groups_are_one_for_each_sample() -> None:
    check_training(LabelLogits(), np.eye(2), [0, 1], groups=["a", "b"])
    with pytest.raises(DataError, match=r"groups has shape \(1,\), but there are 2 samples"):
        check_training(LabelLogits(), np.eye(2), [0, 1], groups=["a"])


def test_identical_rows_of_two_labels_are_warned_of() -> None:
    with pytest.warns(DataWarning, match="30 of 30 samples"):
        check_training(LabelLogits(), np.ones((30, 4)), np.arange(30) % 2)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_a_query_is_its_neurons_row_after_row(dtype) -> None:
    X = np.asfortranarray(np.arange(12.0).reshape(3, 4).astype(dtype))
    columns = check_query(a_query([1, 3], 4), X)
    assert columns.tolist() == [[1, 3], [5, 7], [9, 11]]
    assert columns.dtype == dtype
    assert columns.flags.c_contiguous


def test_a_query_of_another_width_is_told_the_right_one() -> None:
    with pytest.raises(DataError, match=r"shape \(N, 4\)"):
        check_query(a_query([1], 4), np.zeros((2, 5)))
    with pytest.raises(TypeError):
        check_query(a_query([0], 1), np.array([[{}]], dtype=object))


def test_a_column_that_is_not_read_must_be_finite_too() -> None:
    with pytest.raises(DataError, match="sample 0: NaN in 1 of 2 columns: 1"):
        check_query(a_query([0], 2), np.array([[1.0, np.nan]]))


@pytest.mark.parametrize(("columns", "width"), [(12, 4), (12, 12), (5, 1)])
def test_whole_layers_are_let_through(columns, width) -> None:
    check_layers(np.zeros((2, columns)), width)
    with pytest.raises(DataError, match=f"{columns} columns aren't whole layers of {columns + 1}"):
        check_layers(np.zeros((2, columns)), columns + 1)


def test_two_classes_are_let_through_and_three_refused() -> None:
    noted = Noted()
    noted.classes_ = ["a", "b"]
    check_binary(noted)
    noted.classes_ = ["a", "b", "c"]
    with pytest.raises(DataError, match="multiclass: 3 classes"):
        check_binary(noted)


def test_the_worst_of_a_sample_s_numbers_names_it() -> None:
    rows = [[np.inf, np.nan], [np.inf, 2e30], [2e30, 0.0], [1e30, -1e30]]
    with pytest.raises(DataError) as caught:
        check_finite(np.array(rows))
    assert [problem.what.split(" in ")[0] for problem in caught.value.problems] == [
        "NaN", "inf", "more than 1e+30",
    ]  # fmt: skip


def test_five_columns_are_named_and_a_sixth_is_not() -> None:
    for n, rest in [(5, "0, 1, 2, 3, 4$"), (6, "0, 1, 2, 3, 4 …$")]:
        with pytest.raises(DataError) as caught:
            check_finite(np.full((1, n), np.inf))
        assert re.search(rest, caught.value.problems[0].what)
