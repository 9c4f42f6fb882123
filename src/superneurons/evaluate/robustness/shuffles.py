"""Records whose pictures, or labels, were dealt out anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.task.groups import group_ids
from superneurons.task.record import Record

__all__ = ["deal", "with_labels_of", "with_pictures_of", "with_questions_of"]


def deal(records: Sequence[Record], *, seed: int) -> NDArray[np.int64]:
    """Draw for each record another one, each once.

    A record may draw itself. Were that ruled out, labels would be dealt to the opposite side a
    little too often, and what is fitted on them would fall a little below chance.

    Parameters
    ----------
    records
        N of them.
    seed
        Of the draw.

    Returns
    -------
    ndarray of shape (N,), int64
        A permutation.

    Raises
    ------
    DataError
        When all are of one group: there is nothing to deal out.

    Examples
    --------
    >>> from pathlib import Path
    >>> records = [Record((Path(f"{i}.png"),), "Cat?") for i in range(5)]
    >>> sorted(deal(records, seed=0).tolist())
    [0, 1, 2, 3, 4]
    """
    if len(np.unique(group_ids(records))) < 2:
        raise DataError(
            f"{len(records)} records of one group can't be given what belongs to others.",
            mend="Give records of more pictures.",
        )
    return np.random.default_rng(seed).permutation(len(records))


def with_pictures_of(records: Sequence[Record], dealt: NDArray[np.int64]) -> list[Record]:
    """Give records the pictures of others; they keep question, label and group."""
    return [
        replace(record, images=records[donor].images)
        for record, donor in zip(_grouped(records), dealt.tolist(), strict=True)
    ]


def with_questions_of(records: Sequence[Record], dealt: NDArray[np.int64]) -> list[Record]:
    """Give records the questions of others; they keep pictures, label and group.

    Questions go where :func:`with_pictures_of` puts the pictures that they are asked about, so both
    ask the model the same: only what counts as right differs. Here it is the picture's own label.

    Parameters
    ----------
    records
        N of them.
    dealt
        Of :func:`deal`.
    """
    whose = np.argsort(dealt)
    return [
        replace(record, question=records[other].question)
        for record, other in zip(_grouped(records), whose.tolist(), strict=True)
    ]


def with_labels_of(records: Sequence[Record], order: NDArray[np.int64]) -> list[Record]:
    """Give records the labels of others, and leave all else."""
    return [
        replace(record, label=records[other].label)
        for record, other in zip(_grouped(records), order.tolist(), strict=True)
    ]


def _grouped(records: Sequence[Record]) -> list[Record]:
    """Name every record's group: its pictures, which may go elsewhere, don't any more."""
    groups = group_ids(records).tolist()
    return [replace(record, group=f"group {g}") for record, g in zip(records, groups, strict=True)]
