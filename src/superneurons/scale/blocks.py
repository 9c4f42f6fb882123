"""A part of the data that is read, answered and written as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from superneurons.errors import Problem
from superneurons.scale.web_shards import shard_rows
from superneurons.task.readers.arrow import parquet_rows, saved_rows
from superneurons.task.readers.jsonl import parse_lines
from superneurons.task.rows import Row, RowOrProblem

__all__ = ["Block", "rows_of"]


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of the data, named so that any process can read them.

    Parameters
    ----------
    kind
        How it is read: ``rows`` (they are in it), ``lines`` of JSON, ``parquet``, ``dataset``
        (saved by ``save_to_disk``) or ``shard`` (WebDataset).
    path
        The file or folder.
    start, stop
        First row and the one after the last, from 0; bytes of the file for ``lines``.
    digest
        Changes when the rows do.
    first
        For ``lines``: number of the first one, from 1.
    rows
        For ``rows``: the rows.
    """

    kind: str
    path: Path
    start: int
    stop: int
    digest: str
    first: int = 1
    rows: tuple[RowOrProblem, ...] = ()

    @property
    def base(self) -> Path:
        """Where relative picture paths start."""
        return self.path if self.path.is_dir() else self.path.parent


def rows_of(block: Block) -> Iterator[RowOrProblem]:
    """Read the rows of a block, named as in the whole of the data.

    Raises
    ------
    DataError
        When its file cannot be read.
    """
    return _READERS[block.kind](block)


def _lines(block: Block) -> Iterator[RowOrProblem]:
    with block.path.open("rb") as file:
        file.seek(block.start)
        content = file.read(block.stop - block.start)
    name = block.path.name
    for number, line in enumerate(content.split(b"\n"), start=block.first):
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError:
            yield Problem(f"{name}:{number}", "not UTF-8 text")
            continue
        for row in parse_lines([text], name):
            where = f"{name}:{number}"
            if isinstance(row, Problem):
                yield Problem(where, row.what)
            else:
                yield Row(where, row.values, row.found)


def _parquet(block: Block) -> Iterator[RowOrProblem]:
    return parquet_rows(block.path, start=block.start, stop=block.stop)


def _dataset(block: Block) -> Iterator[RowOrProblem]:
    return saved_rows(block.path, start=block.start, stop=block.stop)


_READERS: Mapping[str, Callable[[Block], Iterator[RowOrProblem]]] = MappingProxyType(
    {
        "rows": lambda block: iter(block.rows),
        "lines": _lines,
        "parquet": _parquet,
        "dataset": _dataset,
        "shard": lambda block: shard_rows(block.path),
    }
)
