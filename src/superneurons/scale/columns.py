"""From columns, as data engines hand them over, to records: good rows and bad ones apart."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from superneurons.errors import DataError, Problem
from superneurons.task.convert import Converter
from superneurons.task.record import ImageSource, Record
from superneurons.task.rows import FIELDS, Row

__all__ = ["converted", "rows_of_columns"]


class _OpenedToo(Converter):
    """Takes pictures that an engine has opened already, besides paths and bytes."""

    def _image(self, row: Row, value: Any) -> ImageSource | None:
        if isinstance(value, Image.Image):
            return value
        if isinstance(value, np.ndarray):
            try:
                return Image.fromarray(value)
            except (TypeError, ValueError) as error:
                self._add(row, f"array of shape {value.shape} and {value.dtype}: {error}")
                return None
        return super()._image(row, value)


def converted(
    rows: Sequence[Row], *, base: Path = Path(), question: str | None = None
) -> list[Record | DataError]:
    """Make the record of each row, or the error that says everything that is wrong with it.

    Parameters
    ----------
    rows
        N rows; pictures as paths, bytes, ``{"bytes", "path"}``, PIL pictures or pixel arrays.
    base
        Where relative picture paths start.
    question
        The question of rows that have none.

    Examples
    --------
    >>> row = Row("a.jsonl:1", {"image": "gone.png", "question": "Is it red?"}, ["image"])
    >>> print(converted([row])[0])
    This row cannot be used.
      a.jsonl:1: no such picture: 'gone.png'
      mend:  Mend it, or leave it out.
    """
    # One for each batch: it keeps every picture that it has opened.
    converter = _OpenedToo(base, question, require_labels=False)
    found: list[Record | DataError] = []
    for row in rows:
        before = len(converter.problems)
        record = converter.convert(row)
        problems = converter.problems[before:]
        found.append(_refused(problems) if problems else record)
    return found


def _refused(problems: Sequence[Problem]) -> DataError:
    return DataError(
        "This row cannot be used.", problems=problems, mend="Mend it, or leave it out."
    )


def rows_of_columns(batch: Mapping[str, Any]) -> list[Row]:
    """Turn columns into rows.

    Parameters
    ----------
    batch
        Columns of equal length N: lists or NumPy arrays. Those that records know
        (:data:`superneurons.task.rows.FIELDS`) are read, others are left alone.

    Raises
    ------
    DataError
        When columns differ in length.

    Examples
    --------
    >>> rows_of_columns({"image": ["a.png", "b.png"], "n": np.arange(2)})[1].values
    {'image': 'b.png'}
    """
    lengths = {name: len(column) for name, column in batch.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            "The columns of a batch differ in length.",
            problems=[Problem(name, f"{n} values") for name, n in lengths.items()],
            mend="Give columns of equal length.",
        )
    n = next(iter(lengths.values()), 0)
    known = {name: batch[name] for name in FIELDS if name in batch}
    return [
        Row(
            f"row {number}",
            {name: _plain(name, column[number]) for name, column in known.items()},
            batch.keys(),
        )
        for number in range(n)
    ]


def _plain(field: str, value: Any) -> Any:
    """Return what JSON would have had: engines store texts, lists and nothing in ways of theirs."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, np.ndarray) and not (field == "image" and value.ndim > 1):
        return [_plain("image", item) for item in value]
    if isinstance(value, list | tuple):
        return [_plain("image", item) for item in value]
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return value.getvalue() if isinstance(value, io.BytesIO) else value
