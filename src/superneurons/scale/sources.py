"""From what the user names to blocks: the same data give the same blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from superneurons._extras import require
from superneurons.errors import DataError
from superneurons.scale.blocks import Block
from superneurons.task.readers import arrow, csv_table, folder, jsonl
from superneurons.task.rows import Row, RowOrProblem

__all__ = ["blocks_of"]

_TAR = (".tar", ".tar.gz", ".tgz")
_ENDS = 1 << 16
_KNOWN = (
    "JSON Lines (.jsonl), CSV, Parquet or WebDataset shards (.tar), one or a folder of them, a "
    "pattern such as 'shards/*.tar', a folder of pictures, or a saved Hugging Face dataset"
)


def blocks_of(data: str | Path, size: int) -> list[Block]:
    """Part data into blocks without reading its pictures.

    Parameters
    ----------
    data
        A file, a folder, or a pattern with ``*``.
    size
        Rows in a block; a WebDataset shard is one, whatever it holds.

    Raises
    ------
    DataError
        When there is nothing, or it is of a kind that isn't read.
    """
    files = _files(Path(data).expanduser())
    blocks = [block for file in files for block in _of_file(file.absolute(), size)]
    if not blocks:
        raise DataError("There are no records.", where=str(data), mend="Give at least one.")
    return blocks


def _files(path: Path) -> list[Path]:
    if not path.exists() and any(sign in path.name for sign in "*?["):
        found = sorted(path.parent.glob(path.name))
    elif not path.exists():
        raise DataError("There is no such file or folder.", where=str(path), mend="Check the path.")
    elif path.is_dir() and not arrow.SAVED_DATASET.matches(path):
        found = sorted(p for p in path.iterdir() if arrow.PARQUET.matches(p) or _is_shard(p))
        found = found or [path]
    else:
        found = [path]
    return found


def _is_shard(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(_TAR)


def _of_file(path: Path, size: int) -> Iterator[Block]:
    if _is_shard(path):
        return iter([Block("shard", path, 0, 0, _stamp(path))])
    if jsonl.FORMAT.matches(path):
        return _of_lines(path, size)
    if arrow.PARQUET.matches(path):
        parquet = require("pyarrow.parquet", extra="parquet", purpose="Reading Parquet files")
        return _of_table("parquet", path, _counted(parquet, path), size, _stamp(path))
    if arrow.SAVED_DATASET.matches(path):
        next(arrow.saved_rows(path), None)  # says what is wrong with it
        datasets = require("datasets", extra="datasets", purpose="Reading a saved dataset")
        table = datasets.load_from_disk(str(path))
        return _of_table("dataset", path, len(table), size, str(table._fingerprint))
    if csv_table.FORMAT.matches(path):
        return _of_rows(path, csv_table.FORMAT.rows(path), size)
    if folder.FORMAT.matches(path):
        return _of_rows(path, folder.FORMAT.rows(path), size)
    raise DataError("This kind of file is not read.", where=str(path), mend=f"Give {_KNOWN}.")


def _counted(parquet: Any, path: Path) -> int:
    next(arrow.parquet_rows(path, stop=1), None)  # says what is wrong with it
    return int(parquet.read_metadata(path).num_rows)


def _of_table(kind: str, path: Path, n: int, size: int, stamp: str) -> Iterator[Block]:
    for start in range(0, n, size):
        yield Block(kind, path, start, min(n, start + size), stamp)


def _of_lines(path: Path, size: int) -> Iterator[Block]:
    start, first = 0, 1
    with path.open("rb") as file:
        while lines := list(islice(file, size)):
            content = b"".join(lines)
            if content.strip():
                digest = hashlib.sha256(content).hexdigest()
                yield Block("lines", path, start, start + len(content), digest, first)
            start, first = start + len(content), first + len(lines)


def _of_rows(path: Path, rows: Iterable[RowOrProblem], size: int) -> Iterator[Block]:
    coming, start = iter(rows), 0
    while part := tuple(islice(coming, size)):
        part = tuple(_sent(row) for row in part)
        told = [[row.where, dict(row.values) if isinstance(row, Row) else row.what] for row in part]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        yield Block("rows", path, start, start + len(part), digest, rows=part)
        start += len(part)


def _sent(row: RowOrProblem) -> RowOrProblem:
    # Views of a dictionary's keys cannot be sent to another process.
    return Row(row.where, row.values, tuple(row.found)) if isinstance(row, Row) else row


def _stamp(path: Path) -> str:
    """Tell a large file from another by its size and its ends, without reading it."""
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_ENDS)
        file.seek(max(0, length - _ENDS))
        tail = file.read(_ENDS)
    return f"{length}:{hashlib.sha256(head + tail).hexdigest()}"
