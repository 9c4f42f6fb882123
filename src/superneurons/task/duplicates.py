"""Records that ask the same and yet have different labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from superneurons.task.images import image_keys
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record

__all__ = ["warn_of_contradictions"]

_MOST_NAMED = 6


def warn_of_contradictions(records: Sequence[Record]) -> None:
    """Warn of records with the same pictures, question and options, but different labels.

    The model sees no difference between them, so no neuron can.

    Parameters
    ----------
    records
        N labelled records. Pictures are the same by :func:`~superneurons.task.images.image_key`:
        one file, or equal pixels of opened ones; options in whatever order.

    Raises
    ------
    DataError
        When an opened picture cannot be decoded.

    Warns
    -----
    DataWarning
        With the number of records concerned and the ids of the first.
    """
    asked: dict[object, list[int]] = {}
    for index, (record, keys) in enumerate(zip(records, image_keys(records), strict=True)):
        options = None if record.options is None else frozenset(record.options)
        asked.setdefault((keys, record.question, options), []).append(index)
    concerned = [
        index
        for same in asked.values()
        if len({records[i].label for i in same}) > 1
        for index in same
    ]
    if concerned:
        places = [records[i].id or f"record {i}" for i in concerned[:_MOST_NAMED]]
        named = ", ".join(places) + (" …" if len(concerned) > _MOST_NAMED else "")
        warnings.warn(
            f"{len(concerned)} of {len(records)} records have contradicting labels for the same "
            f"question about the same pictures: {named}. Keep one of each.",
            DataWarning,
            # warn_of_contradictions, probing_set, fit: whoever called that.
            stacklevel=4,
        )
