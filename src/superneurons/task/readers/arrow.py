"""Arrow tables: Parquet files, and Hugging Face datasets saved with `save_to_disk`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from superneurons._extras import require
from superneurons.errors import DataError
from superneurons.task.rows import FIELDS, Format, Row, RowOrProblem

__all__ = ["PARQUET", "SAVED_DATASET", "parquet_rows", "saved_rows", "table_rows"]

_BATCH = 1_000


def parquet_rows(
    path: Path, columns: Collection[str] = FIELDS, *, start: int = 0, stop: int | None = None
) -> Iterator[RowOrProblem]:
    """Read a Parquet file: of each row those columns that there are, or all where there is none.

    Parameters
    ----------
    path
        The file.
    columns
        The columns that are wanted.
    start, stop
        Rows to read, from 0; of row groups without any of them nothing is read.

    Raises
    ------
    DataError
        When it is no readable Parquet file.
    MissingExtraError
        When ``pyarrow`` is not installed.
    """
    parquet = require("pyarrow.parquet", extra="parquet", purpose="Reading Parquet files")
    arrow = require("pyarrow", extra="parquet", purpose="Reading Parquet files")
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            end = file.metadata.num_rows if stop is None else stop
            groups, first = _groups(file.metadata, start, end)
            batches = file.iter_batches(
                min(_BATCH, max(1, end - start)),
                row_groups=groups,
                columns=_wanted(schema, columns),
            )
            yield from _rows(_cut(batches, start - first, end - first), schema, path.name, start)
    except arrow.ArrowException as error:
        raise DataError(
            f"This is not a readable Parquet file: {error}.",
            where=str(path),
            mend="Write the file again.",
        ) from error


def _groups(metadata: Any, start: int, stop: int) -> tuple[list[int], int]:
    """The row groups that hold rows ``start`` … ``stop``, and how many rows precede them."""
    groups: list[int] = []
    first = before = 0
    for number in range(metadata.num_row_groups):
        after = before + metadata.row_group(number).num_rows
        if after > start and before < stop:
            first = first if groups else before
            groups.append(number)
        before = after
    return groups, first


def _cut(batches: Iterable[Any], start: int, stop: int) -> Iterator[Any]:
    done = 0
    for batch in batches:
        if done >= stop:
            return
        n = len(batch)
        if done + n > start:
            begin = max(0, start - done)
            yield batch.slice(begin, min(n, stop - done) - begin)
        done += n


def saved_rows(
    path: Path, columns: Collection[str] = FIELDS, *, start: int = 0, stop: int | None = None
) -> Iterator[RowOrProblem]:
    """Read one split that was saved with ``save_to_disk``, as :func:`parquet_rows` does.

    Raises
    ------
    DataError
        When it cannot be read, or holds several splits.
    MissingExtraError
        When ``datasets`` is not installed.
    """
    datasets = require("datasets", extra="datasets", purpose="Reading a saved dataset")
    if (path / "dataset_dict.json").is_file():
        splits = sorted(part.name for part in path.iterdir() if part.is_dir())
        raise DataError(
            f"This dataset has several splits: {', '.join(splits)}.",
            where=str(path),
            mend=f"Give the folder of one split, such as {path / splits[0] if splits else path}.",
        )
    try:
        table = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"This saved dataset cannot be read: {error}.",
            where=str(path),
            mend="Save it again with `save_to_disk`.",
        ) from error
    part = table if stop is None and not start else table.select(range(len(table))[start:stop])
    yield from table_rows(part, path.name, columns, first=start)


def table_rows(
    table: Any, name: str, columns: Collection[str] = FIELDS, *, first: int = 0
) -> Iterator[RowOrProblem]:
    """Read an open ``datasets.Dataset``, as :func:`parquet_rows` does; labels by their names.

    Rows are counted from ``first`` on.
    """
    schema = table.features.arrow_schema
    # pictures stay encoded bytes in this format; nothing is decoded here
    batches = table.with_format("arrow").select_columns(_wanted(schema, columns)).iter(_BATCH)
    yield from _rows(batches, schema, name, first)


def _wanted(schema: Any, columns: Collection[str]) -> list[str]:
    # other columns can be large; but a table without any column would have no rows to report on
    return [name for name in schema.names if name in columns] or schema.names


def _rows(batches: Iterable[Any], schema: Any, name: str, first: int) -> Iterator[RowOrProblem]:
    names = _class_names(schema)
    number = first
    for batch in batches:
        for values in batch.to_pylist():
            number += 1
            for field in names.keys() & values.keys():
                values[field] = _named(values[field], names[field])
            yield Row(f"{name}:{number}", values, schema.names)


def _class_names(schema: Any) -> dict[str, list[str]]:
    """Return the names behind numbered labels, which `datasets` keeps in the table's metadata."""
    stored = (schema.metadata or {}).get(b"huggingface")
    features = json.loads(stored)["info"]["features"] if stored else {}
    return {
        field: feature["names"]
        for field, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }


def _named(number: Any, names: list[str]) -> Any:
    if isinstance(number, int) and -1 <= number < len(names):
        return None if number == -1 else names[number]  # -1 stands for "no label" there
    return number


PARQUET = Format(
    name="Parquet (.parquet)",
    matches=lambda path: path.is_file() and path.suffix.lower() in {".parquet", ".pq"},
    rows=parquet_rows,
)

SAVED_DATASET = Format(
    name="a Hugging Face dataset saved with save_to_disk",
    matches=lambda path: (
        (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()
    ),
    rows=saved_rows,
)
