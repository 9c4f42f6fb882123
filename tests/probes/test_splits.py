from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.probes.splits import canonical_order, folds, hold_out, sample_keys

from .synthetic import planted


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=8, max_size=30),
    size=st.floats(0.1, 0.6),
    seed=st.integers(0, 99),
    n_classes=st.integers(2, 3),
)
def test_groups_stay_whole_and_both_sides_have_every_class(sizes, size, seed, n_classes) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    codes = np.arange(len(groups)) % n_classes
    codes[: n_classes * 2] = np.arange(n_classes * 2) % n_classes
    X = np.zeros((len(codes), 2))
    held = hold_out(X, codes, groups, size=size, seed=seed)
    assert not set(groups[held]) & set(groups[~held])
    assert set(codes[held]) == set(codes[~held]) == set(range(n_classes))
    dealt = folds(X, codes, groups, n_folds=4, seed=seed)
    assert all(len(set(dealt[groups == group])) == 1 for group in set(groups))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), grouped=st.booleans())
def test_the_same_samples_in_another_order_are_split_alike(seed, grouped) -> None:
    X, y = planted(60, 5, seed=seed)
    groups = np.array([f"picture {i // 3}" for i in range(60)]) if grouped else None
    order = np.random.default_rng(seed).permutation(60)
    shuffled = groups[order] if grouped else None
    np.testing.assert_array_equal(
        hold_out(X, y, groups, size=0.25, seed=seed)[order],
        hold_out(X[order], y[order], shuffled, size=0.25, seed=seed),
    )
    np.testing.assert_array_equal(
        folds(X, y, groups, n_folds=5, seed=seed)[order],
        folds(X[order], y[order], shuffled, n_folds=5, seed=seed),
    )


def test_a_class_keeps_its_share() -> None:
    X, _ = planted(400, 3)
    codes = (np.arange(400) < 40).astype(np.int64)
    held = hold_out(X, codes, None, size=0.25, seed=0)
    assert (held & (codes == 1)).sum() == 10
    assert held.sum() == 100


def test_another_seed_is_another_split() -> None:
    X, y = planted(100, 3)
    first, second = (hold_out(X, y, None, size=0.25, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first, second)
    # Two independent quarters share a sixteenth of the samples, give or take.
    assert 0 < (first & second).sum() < 15


def test_twins_in_one_group_are_held_out_together() -> None:
    X, _ = planted(80, 3)
    codes, groups = np.arange(80) % 2, np.arange(80) // 2
    held = hold_out(X, codes, groups, size=0.25, seed=3)
    assert held.sum() == 20
    np.testing.assert_array_equal(held[::2], held[1::2])


def test_folds_are_of_equal_size_and_class_balance() -> None:
    X, y = planted(100, 3)
    dealt = folds(X, y, None, n_folds=5, seed=0)
    for fold in range(5):
        assert np.bincount(y[dealt == fold]).tolist() == [10, 10]


def test_fewer_folds_where_a_class_has_few_groups() -> None:
    X, _ = planted(30, 3)
    codes = (np.arange(30) < 3).astype(np.int64)
    dealt = folds(X, codes, None, n_folds=5, seed=0)
    assert set(dealt[codes == 1]) == {0, 1, 2} == set(dealt)


PAIRS = st.sets(st.integers(0, 5), min_size=2, max_size=3)


@settings(max_examples=80, deadline=None)
@given(homes=st.lists(PAIRS, min_size=2, max_size=5), n_folds=st.integers(2, 5))
def test_every_class_is_left_without_any_fold(homes, n_folds) -> None:
    # Each class is at home in two groups or three, and shares them with others.
    codes, groups = np.array([(c, g) for c, home in enumerate(homes) for g in home]).T
    X = np.arange(len(codes), dtype=np.float64)[:, None]
    dealt = folds(X, codes, groups, n_folds=n_folds, seed=0)
    assert set(dealt.tolist()) == set(range(dealt.max() + 1))
    assert all(len(set(dealt[groups == group])) == 1 for group in set(groups.tolist()))
    for fold in range(dealt.max() + 1):
        assert set(codes[dealt != fold]) == set(range(len(homes)))


def test_a_class_that_would_be_in_one_fold_gets_another() -> None:
    # Each class is in two of the three groups: two folds can't part all of them.
    codes, groups = np.array([0, 1, 1, 2, 2, 0]), np.array([0, 0, 1, 1, 2, 2])
    X, _ = planted(6, 3)
    assert folds(X, codes, groups, n_folds=5, seed=0).max() == 2


def test_samples_with_the_same_values_are_put_in_order_by_their_folds() -> None:
    X, codes = np.zeros((4, 3)), np.zeros(4, np.int64)
    order = canonical_order(X, codes, fold=np.array([2, 0, 3, 1]))
    assert order.tolist() == [1, 3, 0, 2]


def test_minus_zero_is_zero() -> None:
    X, y = planted(40, 3)
    X[:, 0] = 0.0
    flipped = X * np.array([-1.0, 1.0, 1.0], dtype=X.dtype)
    np.testing.assert_array_equal(
        hold_out(X, y, None, size=0.5, seed=0), hold_out(flipped, y, None, size=0.5, seed=0)
    )


def test_a_class_in_one_group_is_refused_by_name() -> None:
    X, _ = planted(10, 3)
    codes = np.array([0] * 6 + [1] * 4)
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 3])
    with pytest.raises(DataError, match="class number 1: in 1 group only"):
        hold_out(X, codes, groups, size=0.25, seed=0)


def test_groups_that_cannot_be_parted_are_refused() -> None:
    # Class 2 is needed on both sides, and takes with it the only groups of 0 and 1.
    codes = np.array([0, 2, 1, 2, 0, 1])
    groups = np.array([0, 0, 1, 1, 1, 0])
    X, _ = planted(6, 3)
    held = hold_out(X, codes, groups, size=0.5, seed=0)
    assert set(codes[held]) == set(codes[~held]) == {0, 1, 2}
    with pytest.raises(DataError):
        hold_out(X, np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 1, 2, 1, 2]), size=0.3, seed=0)


def test_the_canonical_order_puts_any_order_straight() -> None:
    X, y = planted(50, 6)
    shuffle = np.random.default_rng(0).permutation(50)
    one = X[canonical_order(X, y, seed=0)]
    other = X[shuffle][canonical_order(X[shuffle], y[shuffle], seed=0)]
    np.testing.assert_array_equal(one, other)


def test_keys_hang_on_values_class_and_seed_alone() -> None:
    X, y = planted(30, 5)
    keys = sample_keys(X, y, 0)
    assert (keys.dtype, keys.shape) == (np.uint64, (30,))
    assert len(set(keys.tolist())) == 30
    np.testing.assert_array_equal(keys[[7, 2]], sample_keys(X[[7, 2]], y[[7, 2]], 0))
    assert not set(keys.tolist()) & set(sample_keys(X, 1 - y, 0).tolist())
    assert not set(keys.tolist()) & set(sample_keys(X, y, 1).tolist())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_number_is_the_same_in_any_precision(dtype) -> None:
    X, y = (np.arange(12.0) / 8).reshape(4, 3), np.array([0, 1, 0, 1])
    np.testing.assert_array_equal(sample_keys(X, y, 5), sample_keys(X.astype(dtype), y, 5))


def test_of_very_many_columns_some_tell_samples_apart() -> None:
    X, y = planted(6, 9000)
    changed = X.copy()
    changed[:, 1::2] += 1  # every second column is looked at
    np.testing.assert_array_equal(sample_keys(X, y, 0), sample_keys(changed, y, 0))
    changed[:, 8] += 1
    assert not set(sample_keys(X, y, 0).tolist()) & set(sample_keys(changed, y, 0).tolist())


def test_another_seed_is_another_order_and_deal() -> None:
    X, y = planted(40, 3)
    one, other = (canonical_order(X, y, seed=seed).tolist() for seed in (0, 1))
    assert sorted(one) == sorted(other) == list(range(40))
    assert one != other
    dealt = [folds(X, y, None, n_folds=4, seed=seed) for seed in (0, 1)]
    assert 2 < (dealt[0] == dealt[1]).sum() < 25


@pytest.mark.parametrize(("n", "size", "held"), [(8, 0.01, 1), (8, 0.99, 3), (8, 0.5, 2)])
def test_each_side_has_at_least_one_of_each_class(n, size, held) -> None:
    X, _ = planted(n, 3)
    codes = np.arange(n) % 2
    assert np.bincount(codes[hold_out(X, codes, None, size=size, seed=0)]).tolist() == [held] * 2


def test_names_of_groups_are_read_as_text() -> None:
    X, y = planted(24, 3)
    numbers = np.arange(24) // 2
    for groups in (numbers.tolist(), numbers.astype(str), numbers.astype(object)):
        np.testing.assert_array_equal(
            hold_out(X, y, groups, size=0.25, seed=0), hold_out(X, y, numbers, size=0.25, seed=0)
        )


def test_a_class_in_one_group_is_named_by_its_label() -> None:
    X, _ = planted(6, 3)
    codes, groups = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 2, 2, 3, 3])
    with pytest.raises(DataError) as caught:
        folds(X, codes, groups, n_folds=3, seed=0, classes=np.array(["a", "b", "c"]))
    assert [problem.where for problem in caught.value.problems] == ["class 'b'", "class 'c'"]
