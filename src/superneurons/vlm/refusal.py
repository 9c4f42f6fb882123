"""Which record it is that a model's processor refuses, where it refuses a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from superneurons.errors import DataError, Problem, SuperNeuronsError
from superneurons.task.record import Record

__all__ = ["taken_or_refused"]

_Batch = TypeVar("_Batch")

# Not RuntimeError: that is a device's trouble, whatever the records are.
_REFUSALS = (ValueError, LookupError, ArithmeticError, OSError)


def taken_or_refused(
    prepare: Callable[[slice], _Batch], records: Sequence[Record], pictures: Sequence[Sequence[Any]]
) -> _Batch:
    """Prepare a batch; where the processor fails, find the records that it fails on.

    Parameters
    ----------
    prepare
        Prepares some of the records; it fails with a ``ValueError``, ``LookupError``,
        ``ArithmeticError`` or ``OSError``.
    records
        N records.
    pictures
        Those of each record, opened: pictures, or tensors (H, W, 3).

    Raises
    ------
    DataError
        Lists every record that is refused by itself. To find them, each is tried alone.
    """
    try:
        return prepare(slice(None))
    except SuperNeuronsError:
        raise
    except _REFUSALS as error:
        reasons = _reasons(prepare, len(records), error)
        problems = [
            Problem(records[i].id or f"record {i}", f"{_shown(records[i], pictures[i])}{reason}")
            for i, reason in reasons.items()
        ]
        if not problems:
            raise DataError(
                f"The model's processor takes these records alone, but not together: "
                f"{_said(error)}",
                where=f"records {records[0].id or 0} … {records[-1].id or len(records) - 1}",
                mend="Ask them one at a time (batch_size=1, --batch-size 1).",
            ) from error
        raise DataError(
            f"The model's processor refuses {len(problems)} of {len(records)} records.",
            problems=problems,
            mend="Crop, pad or enlarge these pictures, change the questions, or leave these "
            "records out.",
        ) from error


def _reasons(prepare: Callable[[slice], object], n: int, error: Exception) -> dict[int, str]:
    """What it says to each record that it refuses alone."""
    if n == 1:
        return {0: _said(error)}
    found = {}
    for index in range(n):
        try:
            prepare(slice(index, index + 1))
        except _REFUSALS as own:
            found[index] = _said(own)
    return found


def _shown(record: Record, opened: Sequence[Any]) -> str:
    parts = []
    for number, (source, picture) in enumerate(zip(record.images, opened, strict=True), start=1):
        name = source.name if isinstance(source, Path) else f"picture {number}"
        parts.append(f"{name} ({_size(picture)} pixels)")
    return f"{', '.join(parts)}: " if parts else ""


def _size(picture: Any) -> str:
    if isinstance(picture, Image.Image):
        return f"{picture.width} × {picture.height}"
    return f"{picture.shape[1]} × {picture.shape[0]}"


def _said(error: Exception) -> str:
    text = str(error).strip()
    if isinstance(error, ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
