"""A folder per class: `cats/1.png`, `dogs/2.png`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from superneurons.errors import Problem
from superneurons.task.rows import Format, Row, RowOrProblem

__all__ = ["FORMAT"]

_DATA = {".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".pq"}


def _rows(path: Path) -> Iterator[RowOrProblem]:
    suffixes = {
        suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN
    }
    for entry in sorted(path.iterdir()):
        if _hidden(entry.name):
            continue
        if entry.suffix.lower() in _DATA:
            yield Problem(f"{path.name}/{entry.name}", "give this file itself, or move it away")
        elif not entry.is_dir():
            if entry.suffix.lower() in suffixes:
                yield _row(path, entry, None)
        else:
            pictures = [file for file in _walk(entry) if file.suffix.lower() in suffixes]
            if not pictures:
                yield Problem(f"{path.name}/{entry.name}", "no picture in this class folder")
            for picture in pictures:
                yield _row(path, picture, entry.name)


def _row(base: Path, picture: Path, label: str | None) -> Row:
    place = picture.relative_to(base).as_posix()
    values = {"image": place, "label": label}
    return Row(f"{base.name}/{place}", values, values.keys())


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        yield from (Path(root, name) for name in sorted(files) if not _hidden(name))


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


FORMAT = Format(name="a folder with one folder per class", matches=Path.is_dir, rows=_rows)
