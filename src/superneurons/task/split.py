"""Splits that keep what belongs together on one side, with every label on both."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from superneurons.errors import DataError, Problem
from superneurons.task.groups import group_ids, groups_per_label
from superneurons.task.labels import is_multiple_choice, known_labels
from superneurons.task.record import Record

__all__ = ["grouped_split"]

_MOST_FOLDS = 20
_DEALS = 20


def grouped_split(
    records: Sequence[Record], *, test_size: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split records in two, stratified by label, never parting a group.

    Records whose options differ from one to the next (multiple choice) have no common labels;
    they are split by group alone.

    Parameters
    ----------
    records
        N labelled records.
    test_size
        Share of the second part, between 0 and 1; met to 1/20, as closely as whole groups and
        the rarest label allow.
    seed
        The same seed and records give the same split, in whatever order the records come.

    Returns
    -------
    train, test : ndarray of int64
        Indices into ``records``, ascending; together all of them, each once.

    Raises
    ------
    DataError
        When ``test_size`` is not between 0 and 1, a label is missing, or no split is found that
        has every label on both sides.

    See Also
    --------
    sklearn.model_selection.StratifiedGroupKFold : deals the groups out.

    Examples
    --------
    >>> from pathlib import Path
    >>> records = [Record((Path(f"{i}.png"),), "Cat?", "yes" if i % 2 else "no") for i in range(8)]
    >>> train, test = grouped_split(records, test_size=0.25, seed=0)
    >>> len(train), [records[i].label for i in sorted(test, key=lambda i: i % 2)]
    (6, ['no', 'yes'])
    """
    if not 0 < test_size < 1:
        raise DataError(
            f"test_size is {test_size}.", mend="Give a share between 0 and 1, such as 0.25."
        )
    labels = [""] * len(records) if is_multiple_choice(records) else known_labels(records)
    groups = group_ids(records)
    _refuse_lonely(labels, groups)
    strata = np.unique(np.array(labels, object), return_inverse=True)[1]
    most_folds = min(_MOST_FOLDS, len(np.unique(groups)), int(np.bincount(strata).max()))
    in_test = _find(strata, groups, test_size, most_folds, seed)
    if in_test is not None:
        return np.flatnonzero(~in_test), np.flatnonzero(in_test)
    raise DataError(
        "No split keeps the groups whole and has every label on both sides.",
        mend="Add pictures for the rarest labels, or merge or leave out those labels.",
    )


def _refuse_lonely(labels: Sequence[str], groups: NDArray[np.int64]) -> None:
    problems = [
        Problem(f"label {label!r}" if label else "all records", "only in one group")
        for label, count in groups_per_label(labels, groups).items()
        if count < 2
    ]
    if problems or not labels:
        raise DataError(
            "There is nothing to split: each label needs two groups (different pictures).",
            problems=problems,
            mend="Add pictures; or, if all records share one on purpose, give each a `group`.",
        )


def _find(
    strata: NDArray[np.int64], groups: NDArray[np.int64], share: float, most_folds: int, seed: int
) -> NDArray[np.bool_] | None:
    """Return who is in the test part: the share nearest to the wanted one that can be had."""
    near = Fraction(share).limit_denominator(most_folds)
    n_folds = near.denominator if 0 < near < 1 else most_folds
    draws = np.random.RandomState(seed)  # one state for all deals, so that each differs
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=draws)
    deals: list[NDArray[np.int64]] = []
    for n_test in sorted(range(1, n_folds), key=lambda n: abs(n - share * n_folds)):
        for attempt in range(_DEALS):
            if attempt == len(deals):
                deals.append(_deal(splitter, strata, groups))
            for first in range(n_folds):
                in_test = (deals[attempt] - first) % n_folds < n_test
                if set(strata[in_test]) == set(strata[~in_test]):
                    return in_test
    return None


def _deal(
    splitter: StratifiedGroupKFold, strata: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    fold = np.empty(len(strata), np.int64)
    with warnings.catch_warnings():
        # a label rarer than the folds is fine here: both sides are checked afterwards
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for number, (_, members) in enumerate(splitter.split(strata, strata, groups)):
            fold[members] = number
    return fold
