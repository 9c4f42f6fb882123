"""Which records a model's processor refuses, or must not be given."""

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
    prepare: Callable[[slice], _Batch],
    records: Sequence[Record],
    pictures: Sequence[Sequence[Any]],
    processor: Any = None,
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
    processor
        The model's, which may scale pictures up by their shorter side.

    Raises
    ------
    DataError
        Lists every record that is refused by itself. To find them, each is tried alone. Also
        before anything is prepared, when a picture is so narrow that it would be scaled to more
        than ``PIL.Image.MAX_IMAGE_PIXELS``.
    """
    _refuse_stretched(records, pictures, processor)
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


def _refuse_stretched(
    records: Sequence[Record], pictures: Sequence[Sequence[Any]], processor: Any
) -> None:
    """1 × 20,000 pixels with a shorter side of 336 would be 2 billion."""
    size = dict(getattr(getattr(processor, "image_processor", None), "size", None) or {})
    limit = Image.MAX_IMAGE_PIXELS
    if set(size) != {"shortest_edge"} or limit is None:
        return
    side = size["shortest_edge"]
    problems = []
    for index, (record, own) in enumerate(zip(records, pictures, strict=True)):
        shapes = [(min(shape), max(shape)) for shape in map(_shape, own)]
        most = max((side * side * long // short for short, long in shapes), default=0)
        if most > limit:
            what = f"{_shown(record, own)}scaled to a shorter side of {side}: {most:,} pixels"
            problems.append(Problem(record.id or f"record {index}", what))
    if problems:
        raise DataError(
            f"{len(problems)} of {len(records)} records have pictures too narrow for this model.",
            problems=problems,
            mend="Crop or pad these pictures to a shape nearer to a square, or leave their records "
            "out.",
        )


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
        width, height = _shape(picture)
        parts.append(f"{name} ({width} × {height} pixels)")
    return f"{', '.join(parts)}: " if parts else ""


def _shape(picture: Any) -> tuple[int, int]:
    if isinstance(picture, Image.Image):
        return picture.size
    return int(picture.shape[1]), int(picture.shape[0])


def _said(error: Exception) -> str:
    text = str(error).strip()
    if isinstance(error, ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
