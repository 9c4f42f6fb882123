"""Datasets of the Hugging Face hub, or their local copies, as rows of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from superneurons._extras import require
from superneurons.errors import DataError
from superneurons.task.published.hub_source import FORM, HubSource, parse_hub
from superneurons.task.published.mirrors import Columns, columns_of, label_of
from superneurons.task.readers.arrow import table_rows
from superneurons.task.rows import Row, RowOrProblem

__all__ = ["hub_rows"]


def hub_rows(source: str) -> tuple[Path, Iterator[RowOrProblem]]:
    """Open a dataset and read its rows, lazily, by the fields of a record.

    Which column is which field is what the source says, else what is known of the dataset
    (:data:`~superneurons.task.published.mirrors.MIRRORS`), else the columns of the fields' names.

    Parameters
    ----------
    source
        As for :func:`parse_hub`.

    Returns
    -------
    Path
        Where relative picture paths start.
    iterator
        Rows. With ``options``, a number in the label's column is the option of that place, from
        0, and a letter the option of that letter. Labels with names have their names.

    Raises
    ------
    DataError
        When the dataset cannot be had, or lacks the configuration, split or a column.
    MissingExtraError
        When ``datasets`` is not installed.
    """
    asked = parse_hub(source)
    table = _open(asked, source)
    columns = _columns(asked, list(table.features), source)
    place = f"{asked.name}@{asked.split}" if asked.split else asked.name
    directory = Path(asked.name).expanduser()
    base = directory if directory.is_dir() else Path()
    return base, _rows(table, columns, place, asked.config or "")


def _open(asked: HubSource, source: str) -> Any:
    datasets = require("datasets", extra="datasets", purpose="Reading a dataset of the hub")
    directory = Path(asked.name).expanduser()
    name = str(directory) if directory.is_dir() else asked.name
    try:
        if (directory / "state.json").is_file() or (directory / "dataset_dict.json").is_file():
            saved = datasets.load_from_disk(name)
            one = hasattr(saved, "features")
            parts = {str(saved.split) if saved.split else asked.split: saved} if one else saved
            return parts[_split(asked, list(parts), source)]
        # not by loading all of them: they may be large
        splits = [] if asked.split else datasets.get_dataset_split_names(name, asked.config)
        return datasets.load_dataset(name, asked.config, split=_split(asked, splits, source))
    except DataError:
        raise
    except Exception as error:  # whatever its builders, file systems and decoders raise
        raise _refusal(asked, source, error, datasets) from error


def _split(asked: HubSource, there: Sequence[str | None], source: str) -> str | None:
    """Return the split asked for, or the only one."""
    if asked.split in there or (asked.split and not there):
        return asked.split
    if asked.split is None and len(there) == 1:
        return there[0]
    what = f"has no split {asked.split!r}" if asked.split else "has several splits"
    names = ", ".join(map(str, there))
    raise DataError(
        f"The dataset {what}; it has {names}.",
        where=source,
        mend=f"Say which, as in hf:{asked.name}@{there[0] if there else 'SPLIT'}.",
    )


def _refusal(asked: HubSource, source: str, error: Exception, datasets: Any) -> DataError:
    said = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    if Path(asked.name).expanduser().is_dir():
        return DataError(
            f"This directory cannot be read as a dataset: {said}.",
            where=source,
            mend="Check its files, and that it has this configuration and split.",
        )
    if datasets.config.HF_HUB_OFFLINE:
        return DataError(
            f"Offline mode is on, and {asked.name!r} is neither a local directory nor in the "
            f"local cache of datasets ({datasets.config.HF_DATASETS_CACHE}).",
            where=source,
            mend="Unset HF_HUB_OFFLINE to fetch it, or give the path of a local copy.",
        )
    return DataError(
        f"The dataset cannot be had: {said}.",
        where=source,
        mend="Check its name, configuration and split, the network, and whether you may read it "
        f"(`hf auth login`, or HF_TOKEN). The form is {FORM}.",
    )


def _columns(asked: HubSource, there: Sequence[str], source: str) -> Columns:
    known = columns_of(asked.name)
    columns = known or _by_name(there)
    given = dict(asked.columns)
    images = given.pop("image", None)
    if images is not None:
        columns = replace(columns, image=tuple(images.split(",")))
    changes: dict[str, Any] = given
    columns = replace(columns, **changes)
    if asked.columns and known is not None and set(asked.columns) & {"label", "options"}:
        columns = replace(columns, finish=None)
    needed = [c for c, f in columns.named().items() if f in asked.columns or known is not None]
    optional = {columns.group, columns.id} - set(asked.columns.values())
    missing = [c for c in needed if c not in there and c not in optional]
    if missing:
        raise DataError(
            f"There is no column {' or '.join(map(repr, missing))}; there are {', '.join(there)}.",
            where=source,
            mend=f"Say which column is what: {FORM}.",
        )
    return columns


def _by_name(there: Sequence[str]) -> Columns:
    """Return the columns that are called as the fields are."""
    options, group, own = (name if name in there else None for name in ("options", "group", "id"))
    image = "images" if "images" in there and "image" not in there else "image"
    return Columns(image=(image,), options=options, group=group, id=own)


def _rows(table: Any, columns: Columns, place: str, config: str) -> Iterator[RowOrProblem]:
    used = columns.named()
    # what else there is, for hints about misspelt fields
    found = {used.get(name, name) for name in table.features}
    for row in table_rows(table, place, set(used)):
        if not isinstance(row, Row):
            yield row
            continue
        values = _values(row, columns)
        if columns.finish is not None:
            values = columns.finish(values, config)
        if values.get("images") or values.get("image") is not None or not columns.pictured:
            yield Row(row.where, values, found)


def _values(row: Row, columns: Columns) -> dict[str, Any]:
    read = row.values.get
    values: dict[str, Any] = {
        field: None if column is None else read(column)
        for field, column in (
            ("question", columns.question),
            ("options", columns.options),
            ("group", columns.group),
            ("id", columns.id),
        )
    }
    if values["question"] is None:
        values["question"] = columns.asked
    label = None if columns.label is None else read(columns.label)
    values["label"] = label_of(label, values["options"])
    pictures = [read(name) for name in columns.image if read(name) is not None]
    if len(columns.image) == 1 and not (pictures and isinstance(pictures[0], list)):
        return values | {"image": pictures[0] if pictures else None}
    return values | {"images": pictures[0] if len(columns.image) == 1 else pictures}
