"""Records from any data: one function, whatever the format."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from superneurons.errors import DataError, Problem
from superneurons.task.convert import Converter, near_field
from superneurons.task.labels import DataWarning
from superneurons.task.published.hub_source import HUB
from superneurons.task.readers import arrow, csv_table, folder, jsonl
from superneurons.task.record import Record
from superneurons.task.rows import Format, RowOrProblem

__all__ = ["FORMATS", "read_records"]

FORMATS: tuple[Format, ...] = (
    jsonl.FORMAT,
    csv_table.FORMAT,
    arrow.PARQUET,
    arrow.SAVED_DATASET,
    folder.FORMAT,
)
"""Every format read, the first that matches wins; a new one is a module and a line here."""


def read_records(
    source: Path | str | TextIO, *, question: str | None = None, require_labels: bool = True
) -> list[Record]:
    """Read labelled questions about pictures.

    A row has ``image`` (or ``images``, a list), ``question``, ``label`` and, if wanted,
    ``options``, ``group`` and ``id``; other fields are ignored. Picture paths are relative to the
    file; Parquet files and datasets may hold the pictures themselves. Pictures are looked for, but
    not decoded: see :func:`superneurons.task.images.check_images`.

    Parameters
    ----------
    source
        A JSON Lines, CSV or Parquet file, a Hugging Face dataset saved with ``save_to_disk``, a
        folder with one folder of pictures per class, or an open stream of JSON Lines (there,
        paths are relative to the working folder); a published task in its authors' files
        (``pope:/data/pope@random``, see :func:`superneurons.task.published.source.parse_source`);
        a dataset of the hub (``hf:OWNER/NAME@SPLIT``, see
        :func:`superneurons.task.published.hub.hub_rows`).
    question
        The question of rows that have none.
    require_labels
        Whether each row must have its label, as for learning and testing.

    Returns
    -------
    list of Record
        In the order of the file. ``Record.id`` is the row's own ``id`` or else its place, as in
        ``train.jsonl:12``.

    Raises
    ------
    DataError
        When the source is missing, of an unknown format or empty; or lists every problem of its
        rows.
    MissingExtraError
        When the format needs a package that is not installed.

    Warns
    -----
    DataWarning
        When an ignored field looks like a misspelt optional one.

    Examples
    --------
    >>> import io
    >>> line = '{"image": "gone.png", "question": "Is it red?", "lable": "yes"}'
    >>> read_records(io.StringIO(line))
    Traceback (most recent call last):
    superneurons.errors.DataError: The data have 2 problems.
      <stream>:1: no such picture: 'gone.png'
      <stream>:1: no 'label' (found 'lable', did you mean 'label'?)
      where: <stream>
      mend:  Mend these rows, or leave them out.
    """
    if question is not None and not question.strip():
        raise DataError("The question is empty.", mend="Ask something, such as 'Is there a cat?'.")
    task = _published(source, require_labels)
    return _from_rows(source, question, require_labels) if task is None else task


def _from_rows(
    source: Path | str | TextIO, question: str | None, require_labels: bool
) -> list[Record]:
    name = str(source if isinstance(source, str | Path) else getattr(source, "name", "<stream>"))
    records, found = _convert(source, name, question, require_labels)
    if not records:
        raise DataError("There are no records.", where=name, mend="Give at least one.")
    _warn_of_misspelt(found, name)
    return records


def _published(source: Path | str | TextIO, require_labels: bool) -> list[Record] | None:
    """Read a published task; nothing where the source is something else."""
    if not isinstance(source, str | Path) or ":" not in str(source):
        return None
    from superneurons.task.published.source import parse_source

    task = parse_source(str(source))
    if task is None:
        return None
    records = task.read()
    if require_labels and any(record.label is None for record in records):
        raise DataError(
            "These questions were published without their answers.",
            where=str(task),
            mend="Name another split; `superneurons tasks show` lists them.",
        )
    return records


def _convert(
    source: Path | str | TextIO, name: str, question: str | None, require_labels: bool
) -> tuple[list[Record], set[str]]:
    """Return the records and the names of all fields; raise with every problem of every row."""
    records: list[Record] = []
    found: set[str] = set()
    try:
        base, rows = _open(source, name)
        converter = Converter(base, question, require_labels)
        problems = converter.problems
        for row in rows:
            if isinstance(row, Problem):
                problems.append(row)
            else:
                records.append(converter.convert(row))
                found.update(row.found)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"The data cannot be read: {error}.", where=name, mend="Check its rights and encoding."
        ) from error
    if problems:
        raise DataError(
            f"The data have {len(problems)} problem{'s' * (len(problems) > 1)}.",
            problems=_merged(problems, len(records), name),
            where=name,
            mend="Mend these rows, or leave them out.",
        )
    return records, found


def _open(source: Path | str | TextIO, name: str) -> tuple[Path, Iterator[RowOrProblem]]:
    if not isinstance(source, str | Path):
        return Path(), jsonl.parse_lines(source, name)
    if name.startswith(HUB):
        from superneurons.task.published.hub import hub_rows

        return hub_rows(name)
    path = Path(os.path.expanduser(source))  # noqa: PTH111 (Path.expanduser fails on "~nobody")
    if not path.exists():
        raise DataError(
            "There is no such file or folder.", where=name, mend=f"Check the path.{_meant(name)}"
        )
    for form in FORMATS:
        if form.matches(path):
            return path if path.is_dir() else path.parent, form.rows(path)
    known = "; ".join(form.name for form in FORMATS)
    known += "; a dataset of the hub (hf:OWNER/NAME@SPLIT)"
    known += "; a published task (NAME:DIR, see `superneurons tasks list`)"
    raise DataError("This kind of file is not read.", where=name, mend=f"Give one of: {known}.")


def _meant(name: str) -> str:
    if ":" not in name:
        return ""
    from superneurons.task.published.source import near_task

    near = near_task(name)
    return "" if near is None else f" Did you mean the published task {near!r}?"


def _merged(problems: Sequence[Problem], n_rows: int, name: str) -> list[Problem]:
    """Say once what is wrong with every row, such as a missing column."""
    counts = Counter(problem.what for problem in problems)
    common = [what for what, count in counts.items() if count == n_rows > 1]
    rest = [problem for problem in problems if problem.what not in common]
    return [Problem(f"{name}, all {n_rows} rows", what) for what in common] + rest


def _warn_of_misspelt(found: set[str], name: str) -> None:
    for field in {"options", "group"} - found:
        near = near_field(field, found, cutoff=0.8)
        if near is not None:
            warnings.warn(
                f"{name}: the field {near!r} is ignored; did you mean {field!r}?",
                DataWarning,
                stacklevel=4,
            )
