from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from superneurons.probes.duplicates import contradictions, warn_of_contradictions
from superneurons.probes.registry import READ_OUTS, make_read_out
from superneurons.task.labels import DataWarning

from .synthetic import planted


def by_comparing(X: Any, codes: Any) -> list[list[int]]:
    """Sets of samples with equal rows, each found by comparing all pairs."""
    n = len(codes)
    sets = {tuple(j for j in range(n) if (X[i] == X[j]).all()) for i in range(n)}
    return [list(alike) for alike in sorted(sets) if len({int(codes[i]) for i in alike}) > 1]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(1, 9), p=st.integers(1, 6), at_once=st.integers(1, 7))
def test_pairs_compared_one_by_one_say_the_same(dtype, data, n, p, at_once) -> None:
    X = data.draw(arrays(dtype, (n, p), elements=st.sampled_from([0.0, -0.0, 1.0])))
    codes = data.draw(arrays(np.int64, n, elements=st.integers(0, 2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("superneurons.probes.duplicates._COLUMNS_AT_ONCE", at_once)
        assert [twins.tolist() for twins in contradictions(X, codes)] == by_comparing(X, codes)


def test_rows_that_differ_in_the_last_column_only_are_different() -> None:
    X = np.ones((4, 9000), np.float16)
    X[:2, -1] = np.nextafter(np.float16(1), np.float16(2))
    assert contradictions(X, np.array([0, 0, 1, 1])) == []
    found = contradictions(X, np.array([0, 1, 1, 1]))
    assert [twins.tolist() for twins in found] == [[0, 1]]


@pytest.mark.parametrize("name", ["fortran", "reversed", "strided", "mapped", "read-only"])
def test_however_the_array_lies_in_memory(name, tmp_path) -> None:
    X, y = planted(30, 12, dtype=np.float16)
    X[7] = X[3]
    y[[3, 7]] = 0, 1
    np.save(tmp_path / "x.npy", X)
    frozen = X.copy()
    frozen.flags.writeable = False
    lying = {
        "fortran": np.asfortranarray(X),
        "reversed": X[::-1, ::-1].copy()[::-1, ::-1],
        "strided": np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
        "mapped": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "read-only": frozen,
    }[name]
    assert [twins.tolist() for twins in contradictions(lying, y)] == [[3, 7]]


def test_the_array_is_left_as_it_was() -> None:
    X = np.full((4, 5), -0.0, np.float32)
    X[:2, 0] = 1
    copy = X.copy()
    contradictions(X, np.array([0, 1, 0, 1]))
    np.testing.assert_array_equal(np.signbit(X), np.signbit(copy))


def test_samples_are_counted_and_the_first_are_named() -> None:
    X, _ = planted(20, 8)
    X[10:] = X[:10]
    y = np.arange(20) // 10
    with pytest.warns(DataWarning, match=r"^20 of 20 samples .*: 0, 10, 1, 11, 2, 12 …\. Correct"):
        warn_of_contradictions(X, y)
    with pytest.warns(DataWarning, match=r"^2 of 12 samples .*: 1, 11\. Correct"):
        warn_of_contradictions(X[:12], np.array([0] * 11 + [1]))


def test_the_same_label_and_a_few_numbers_alone_are_no_contradiction() -> None:
    X, y = planted(20, 8)
    X[10:], y[10:] = X[:10], y[:10]
    X[:, 0] = np.arange(20) % 10
    warn_of_contradictions(X, y)
    # Logits of three label words in bfloat16 coincide in any probing set that is large enough.
    warn_of_contradictions(np.zeros((20, 3)), np.arange(20) % 2)


@pytest.mark.parametrize("name", sorted(READ_OUTS))
def test_every_read_out_warns_once_and_points_to_whoever_called_fit(name) -> None:
    X, y = planted(60, 24)
    y[:2] = 0, 1
    X[1] = X[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = make_read_out(name).fit(X, y)
    assert [(one.category, one.filename) for one in caught] == [(DataWarning, __file__)]
    assert str(caught[0].message).startswith("2 of 60 samples")
    assert np.isfinite(fitted.predict_proba(X)).all()
