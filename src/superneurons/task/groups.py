"""Which records belong together, so that no split may part them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError, Problem
from superneurons.task.images import image_keys
from superneurons.task.record import Record

__all__ = ["group_ids", "groups_per_label"]


def group_ids(records: Sequence[Record]) -> NDArray[np.int64]:
    """Give each record the number of its group.

    A record with a ``group`` belongs to it. Those without belong together when they share a
    picture, directly or through others: with (a, b) and (b, c), all three pictures are one group.

    Returns
    -------
    ndarray of shape (N,), int64
        The same number for the same group. Numbers follow the sorted names of groups and pictures,
        so they don't depend on the order of the records.

    Raises
    ------
    DataError
        When a record has neither a group nor a picture.

    Examples
    --------
    >>> from pathlib import Path
    >>> cat, dog = Path("cat.png"), Path("dog.png")
    >>> group_ids([Record((dog,), "Big?"), Record((cat,), "Big?"), Record((dog,), "Red?")]).tolist()
    [1, 0, 1]
    """
    keys = _keys(records)
    problems = [
        Problem(record.id or f"record {index}", "no picture and no group")
        for index, (record, own) in enumerate(zip(records, keys, strict=True))
        if not own
    ]
    if problems:
        raise DataError("Some records have no picture.", problems=problems, mend="Add pictures.")
    if not keys:
        return np.zeros(0, np.int64)
    names = sorted({key for own in keys for key in own})
    node = {name: index for index, name in enumerate(names)}
    links = np.array([(node[own[0]], node[key]) for own in keys for key in own]).T
    # Published tasks are listed without it.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(links.shape[1]), (links[0], links[1])), shape=(len(names),) * 2)
    _, component = connected_components(graph, directed=False)
    return np.array([component[node[own[0]]] for own in keys], np.int64)


def groups_per_label(labels: Iterable[str], groups: NDArray[np.int64]) -> dict[str, int]:
    """Count the different groups that each label occurs in."""
    counts: dict[str, int] = {}
    for label, _ in sorted(set(zip(labels, groups.tolist(), strict=True))):
        counts[label] = counts.get(label, 0) + 1
    return counts


def _keys(records: Sequence[Record]) -> list[list[str]]:
    pictures = iter(image_keys([record for record in records if record.group is None]))
    return [
        [f"picture {key}" for key in next(pictures)]
        if record.group is None
        else [f"group {record.group}"]
        for record in records
    ]
