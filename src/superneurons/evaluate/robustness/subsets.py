"""Nested subsets of probing records that keep groups whole and labels even."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from superneurons.task.groups import group_ids
from superneurons.task.labels import is_multiple_choice, known_labels
from superneurons.task.record import Record

__all__ = ["nested_subsets"]


def nested_subsets(
    records: Sequence[Record], sizes: Sequence[int], *, seed: int
) -> dict[int, NDArray[np.int64]]:
    """Draw subsets, each part of the larger ones.

    Whole groups are taken one after the other, each time one that has the label that is rarest so
    far, so that small subsets are as even as the records allow.

    Parameters
    ----------
    records
        N labelled records.
    sizes
        Most records of each subset; those above N give all records.
    seed
        Of the order of the groups.

    Returns
    -------
    dict
        Ascending indices by size. Fewer than the size where the next group would not fit.

    Examples
    --------
    >>> from pathlib import Path
    >>> records = [Record((Path(f"{i}.png"),), "Cat?", "yes" if i % 4 else "no") for i in range(20)]
    >>> drawn = nested_subsets(records, (4, 8), seed=0)
    >>> [sorted(records[i].label for i in drawn[4]), set(drawn[4]) <= set(drawn[8])]
    [['no', 'no', 'yes', 'yes'], True]
    """
    groups = group_ids(records)
    order = _order(groups, _codes(records), np.random.default_rng(seed))
    members = [np.flatnonzero(groups == group) for group in order]
    taken = np.cumsum([len(part) for part in members])
    found = {}
    for size in sizes:
        whole = int(np.searchsorted(taken, size, side="right"))
        found[size] = np.sort(np.concatenate([np.zeros(0, np.int64), *members[:whole]]))
    return found


def _codes(records: Sequence[Record]) -> NDArray[np.int64]:
    """What has to be even: the label, or the place of the right option."""
    if is_multiple_choice(records):
        places = [(record.options or ()).index(str(record.label)) for record in records]
        return np.array(places, dtype=np.int64)
    return np.unique(known_labels(records), return_inverse=True)[1].astype(np.int64)


def _order(
    groups: NDArray[np.int64], codes: NDArray[np.int64], rng: np.random.Generator
) -> list[int]:
    """Groups in the order in which they are taken."""
    n_groups, n_codes = int(groups.max()) + 1, int(codes.max()) + 1
    counts = np.zeros((n_groups, n_codes), dtype=np.int64)
    np.add.at(counts, (groups, codes), 1)
    shuffled = rng.permutation(n_groups)
    waiting = [[g for g in shuffled[::-1].tolist() if counts[g, c]] for c in range(n_codes)]
    had, order = np.zeros(n_codes, dtype=np.int64), list[int]()
    seen: set[int] = set()
    while len(order) < n_groups:
        for code in np.argsort(had, kind="stable").tolist():
            while waiting[code] and waiting[code][-1] in seen:
                waiting[code].pop()
            if waiting[code]:
                group = waiting[code].pop()
                break
        seen.add(group)
        order.append(group)
        had += counts[group]
    return order
