"""WebDataset shards: tar files in which the files of one record have one name."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from superneurons.errors import DataError, Problem
from superneurons.task.rows import Row, RowOrProblem

__all__ = ["shard_rows"]


def shard_rows(path: Path) -> Iterator[RowOrProblem]:
    """Read a shard: a row for each name, in the order of the file.

    Of the files ``NAME.SUFFIX`` (the suffix begins at the first dot) those that Pillow may read are
    the record's pictures, ``json`` holds further fields, ``question`` and ``label`` or ``cls`` are
    texts. Others are ignored. The row's ``id`` is its name, unless ``json`` has one.

    Parameters
    ----------
    path
        A tar file, which may be compressed.

    Raises
    ------
    DataError
        When it is no readable tar file.
    """
    suffixes = {s for s, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    name, parts = "", dict[str, bytes]()
    try:
        with tarfile.open(path, "r:*") as shard:
            for member in shard:
                file = shard.extractfile(member) if member.isfile() else None
                if file is None:
                    continue
                place = PurePosixPath(member.name)
                stem, _, suffix = place.name.partition(".")
                key = str(place.with_name(stem)) if stem else ""
                if not key:
                    continue  # hidden, such as what macOS adds
                if key != name and parts:
                    yield _row(path.name, name, parts, suffixes)
                    parts = {}
                name = key
                parts[suffix.lower()] = file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"This shard cannot be read: {error}.", where=str(path), mend="Write it again."
        ) from error
    if parts:
        yield _row(path.name, name, parts, suffixes)


def _row(shard: str, name: str, parts: dict[str, bytes], suffixes: set[str]) -> RowOrProblem:
    where = f"{shard}:{name}"
    values: dict[str, Any] = {"id": name}
    try:
        if "json" in parts:
            values |= json.loads(parts["json"])
        for field, suffix in (("label", "cls"), ("label", "label"), ("question", "question")):
            if suffix in parts:
                values[field] = parts[suffix].decode().strip()
    except (ValueError, TypeError) as error:
        return Problem(where, f"not valid JSON or text: {error}")
    pictures = [
        data for suffix, data in parts.items() if f".{suffix.rpartition('.')[2]}" in suffixes
    ]
    if len(pictures) == 1:
        values["image"] = pictures[0]
    elif pictures:
        values["images"] = pictures
    return Row(where, values, values.keys())
