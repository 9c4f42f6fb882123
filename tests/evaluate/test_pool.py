from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, choices, shades
from superneurons.activations.capture import Captured
from superneurons.activations.site import Site
from superneurons.errors import DataError
from superneurons.evaluate.pool import Pool, crossed_parts, two_parts
from superneurons.shortcut.probing import probing_set
from superneurons.task.groups import group_ids
from superneurons.task.labels import DataWarning


def pool_of_three_labels(n: int) -> Pool:
    """Each row's only activation is its number."""
    probing = probing_set(shades(n), balanced=False, seed=0, multiclass="unrolled")
    rows = np.arange(3 * n, dtype=np.float16).reshape(-1, 1, 1)
    return Pool(probing, np.repeat(np.arange(n), 3), Captured({Site(): rows}))


def test_rows_of_a_record_are_those_of_its_options() -> None:
    pool = pool_of_three_labels(6)
    assert pool.rows(np.array([4, 1])).tolist() == [12, 13, 14, 3, 4, 5]
    assert pool.form == "unrolled"
    probing = pool.probing_set(pool.rows(np.array([4, 1])))
    assert probing.n == 2
    assert [record.label for record in probing.records].count("yes") == 2
    states = pool.at(Site(), pool.rows(np.array([4, 1]))).activations
    assert states.ravel().tolist() == [12, 13, 14, 3, 4, 5]


def test_balanced_rows_are_half_yes_and_of_those_records_only() -> None:
    pool = pool_of_three_labels(9)
    train = np.array([0, 2, 3, 7])
    rows = pool.balanced_rows(train, seed=0)
    labels = [pool.probing.records[row].label for row in rows]
    assert labels.count("yes") == labels.count("no") == 4
    assert set(pool.parents[rows]) <= set(train)
    assert pool.balanced_rows(train, seed=0).tolist() == rows.tolist()


def test_a_label_that_a_part_lacks_is_not_of_its_probing_set() -> None:
    records = shades(9)
    probing = probing_set(records, balanced=False, seed=0, multiclass="native")
    pool = Pool(probing, np.arange(9), Captured({Site(): np.zeros((9, 1, 1), np.float16)}))
    assert pool.probing_set(np.array([0, 1, 3, 4])).labels == ("dark", "grey")
    assert pool.probing_set(np.arange(9)).labels == ("dark", "grey", "pale")


def test_two_parts_keep_the_order() -> None:
    (part,) = two_parts(bright_records(6), bright_records(4, seed=1))
    assert part.train.tolist() == list(range(6))
    assert part.test.tolist() == list(range(6, 10))


def test_a_picture_in_both_is_refused_by_name() -> None:
    probe = bright_records(6)
    test = [*bright_records(4, seed=1), replace(probe[2], question="And this?", id="twice")]
    with pytest.raises(DataError, match=r"1 of 5 test records share") as caught:
        two_parts(probe, test)
    assert [problem.where for problem in caught.value.problems] == ["twice"]


@given(folds=st.integers(2, 5), seed=st.integers(0, 9), questions=st.integers(1, 3))
def test_each_record_is_answered_once_by_what_saw_no_picture_of_it(
    folds: int, seed: int, questions: int
) -> None:
    records = [
        replace(record, question=f"Is it bright ({number})?")
        for record in bright_records(24)
        for number in range(questions)
    ]
    parts = crossed_parts(records, folds=folds, seed=seed)
    groups = group_ids(records)
    assert len(parts) == folds
    assert sorted(np.concatenate([part.test for part in parts])) == list(range(len(records)))
    for part in parts:
        assert not set(groups[part.train]) & set(groups[part.test])
        assert {records[i].label for i in part.train} == {"no", "yes"}


def test_own_options_are_parted_by_place() -> None:
    records = choices(30)
    for part in crossed_parts(records, folds=3, seed=0):
        places = {(records[i].options or ()).index(str(records[i].label)) for i in part.train}
        assert len(places) > 1


def test_too_few_groups_for_the_folds_are_named() -> None:
    records = bright_records(24)
    few = [r for r in records if r.label == "no"] + [r for r in records if r.label == "yes"][:3]
    with pytest.raises(DataError, match="Too few groups for 5 folds") as caught:
        crossed_parts(few, folds=5, seed=0)
    assert [(p.where, p.what) for p in caught.value.problems] == [("label 'yes'", "in 3 groups")]
    with pytest.raises(DataError, match="1 folds"):
        crossed_parts(records, folds=1, seed=0)


def test_what_cannot_be_learnt_is_refused_before_anything_runs() -> None:
    records, test = shades(9), shades(6, seed=1)
    with pytest.raises(DataError, match="have the label 'dark'"):
        two_parts([r for r in records if r.label == "dark"], test)
    with pytest.raises(DataError, match="two groups") as caught:
        two_parts([r for r in records if r.label != "pale"] + [records[2]], test)
    assert [(p.where, p.what) for p in caught.value.problems] == [("label 'pale'", "in 1 group")]
    with pytest.raises(DataError, match="test records have no other"):
        two_parts(bright_records(8), test)


def test_a_test_label_that_is_never_fitted_on_is_said() -> None:
    probe = [r for r in shades(9) if r.label != "pale"]
    with pytest.warns(DataWarning, match="'pale': it can never be answered"):
        two_parts(probe, shades(6, seed=1))


def test_every_part_has_the_rare_label_as_often_as_another() -> None:
    """Eight of a hundred, four folds: two in each, whatever the seed."""
    records = [
        replace(r, label="yes" if i < 8 else "no") for i, r in enumerate(bright_records(100))
    ]
    for seed in range(3):
        parts = crossed_parts(records, folds=4, seed=seed)
        assert [sum(records[i].label == "yes" for i in part.test) for part in parts] == [2] * 4


def test_another_seed_parts_otherwise_and_the_same_alike() -> None:
    records = bright_records(40)
    one, same, other = (
        [part.test.tolist() for part in crossed_parts(records, folds=4, seed=seed)]
        for seed in (0, 0, 1)
    )
    assert one == same != other


@settings(max_examples=25, deadline=None)
@given(
    each=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    data=st.data(),
)
def test_rows_are_those_of_the_records_in_their_order(each: list[int], data: st.DataObject) -> None:
    parents = np.repeat(np.arange(len(each)), each)
    numbers = st.lists(st.integers(0, len(each) - 1), min_size=1, max_size=6)
    chosen = np.array(data.draw(numbers))
    pool = replace(pool_of_three_labels(6), parents=parents)
    expected = [row for number in chosen for row in np.flatnonzero(parents == number)]
    assert pool.rows(chosen).tolist() == expected


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), n=st.integers(2, 9))
def test_balancing_draws_from_the_part_alone_whatever_the_seed(seed: int, n: int) -> None:
    pool = pool_of_three_labels(9)
    train = np.random.default_rng(seed).permutation(9)[:n]
    rows = pool.balanced_rows(train, seed)
    assert set(pool.parents[rows].tolist()) <= set(train.tolist())
    assert len(set(rows.tolist())) == len(rows) == 2 * n
    assert rows.tolist() == pool.balanced_rows(train, seed).tolist()


def test_no_more_than_five_shared_records_are_named() -> None:
    probe = bright_records(12)
    nameless = [replace(record, id="") for record in probe]
    with pytest.raises(DataError, match="12 of 13 test records") as caught:
        two_parts(nameless, [bright_records(1, seed=1)[0], *nameless])
    assert [p.where for p in caught.value.problems] == [f"record {n}" for n in range(1, 6)]


def test_two_groups_of_a_label_are_enough_to_fit_on_and_one_is_not() -> None:
    probe = bright_records(4)
    two_parts(probe, bright_records(2, seed=1))
    with pytest.raises(DataError, match="each needs two groups") as caught:
        two_parts(probe[:3], bright_records(2, seed=1))
    assert [(p.where, p.what) for p in caught.value.problems] == [("label 'yes'", "in 1 group")]
    folds = crossed_parts(probe, folds=2, seed=0)
    assert [len(part.test) for part in folds] == [2, 2]
    with pytest.raises(DataError, match="Too few groups for 3 folds"):
        crossed_parts(probe, folds=3, seed=0)
