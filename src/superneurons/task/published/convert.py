"""Records as JSON Lines, with pictures by path."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from superneurons.errors import DataError, OutputError
from superneurons.task.images import open_image
from superneurons.task.record import ImageSource, Record

__all__ = ["check_place", "write_records"]


def check_place(out: Path, *, overwrite: bool = False) -> None:
    """Refuse a file that :func:`write_records` would, before records are read.

    Raises
    ------
    DataError
        When ``out`` does not end with ``.jsonl``.
    OutputError
        When it is there already.
    """
    if out.suffix.lower() != ".jsonl":
        raise DataError(
            "Records are written as JSON Lines.", where=str(out), mend="Name a file like a.jsonl."
        )
    if out.exists() and not overwrite:
        raise OutputError(
            "The file is there already.", where=str(out), mend="Name another, or --overwrite."
        )


def write_records(records: Sequence[Record], out: Path, *, overwrite: bool = False) -> Path:
    """Write records so that :func:`~superneurons.task.read.read_records` reads them.

    Parameters
    ----------
    records
        Pictures that are files are named, relative to ``out`` where they lie beside or below it;
        others are written as PNG into a folder called as ``out`` without its ending.
    out
        A file that ends with ``.jsonl``. It appears whole or not at all.
    overwrite
        Replace a file that is there.

    Raises
    ------
    DataError
        When ``out`` does not end with ``.jsonl``, or an opened picture cannot be decoded.
    OutputError
        When it is there already or cannot be written.
    """
    check_place(out, overwrite=overwrite)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=out.parent, prefix=f".{out.name}.", encoding="utf-8", delete=False
        ) as file:
            partial = Path(file.name)
            try:
                for line in _lines(records, out):
                    file.write(line + "\n")
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        partial.chmod(0o644)
        partial.replace(out)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"The records cannot be written: {error.strerror or error}.",
            where=str(error.filename or out),
            mend="Name a file in a folder you may write to, with room for it.",
        ) from error
    return out


def _lines(records: Sequence[Record], out: Path) -> Iterator[str]:
    base = Path(os.path.realpath(out.parent))
    written: dict[int, str] = {}
    for record in records:
        names = [_name(image, out, base, written) for image in record.images]
        row: dict[str, object] = {"id": record.id} if record.id else {}
        row |= {"image": names[0]} if len(names) == 1 else {"images": names}
        row["question"] = record.question
        for field in ("label", "group"):
            if getattr(record, field) is not None:
                row[field] = getattr(record, field)
        if record.options is not None:
            row["options"] = list(record.options)
        yield json.dumps(row, ensure_ascii=False)


def _name(image: ImageSource, out: Path, base: Path, written: dict[int, str]) -> str:
    if not isinstance(image, Image.Image):
        path = Path(os.path.abspath(image))  # noqa: PTH100 (links stay: their names say more)
        return str(path.relative_to(base) if path.is_relative_to(base) else path)
    if id(image) not in written:
        folder = out.with_suffix("")
        folder.mkdir(exist_ok=True)
        written[id(image)] = f"{folder.name}/{len(written):06d}.png"
        open_image(image).save(out.parent / written[id(image)])
    return written[id(image)]
