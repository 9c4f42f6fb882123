"""Embedded tasks on disk: PNG pictures and one JSON line per record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from superneurons.errors import OutputError
from superneurons.task.record import Record

__all__ = ["RECORDS_FILE", "check_free", "write_task"]

RECORDS_FILE = "records.jsonl"


def check_free(out: Path) -> None:
    """Refuse a folder that :func:`write_task` would, before a task is drawn.

    Raises
    ------
    OutputError
        When there is something, or it cannot be looked into.
    """
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise _unwritable(error, out) from error
    if taken:
        raise OutputError(
            "The output folder is taken.", where=str(out), mend="Name a new or an empty folder."
        )


def write_task(records: Sequence[Record], out: Path) -> Path:
    """Write records so that people can look at them and this package can read them back.

    Parameters
    ----------
    records
        Records with opened pictures or paths.
    out
        A folder that does not exist yet, or is empty. It gets ``records.jsonl`` and ``images/``.

    Returns
    -------
    Path
        The written ``records.jsonl``; its image paths are relative to it.

    Raises
    ------
    OutputError
        When the folder is taken or cannot be written.
    """
    try:
        check_free(out)
        (out / "images").mkdir(parents=True, exist_ok=True)
        lines = [_write_record(i, record, out) for i, record in enumerate(records)]
        path = out / RECORDS_FILE
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    except OutputError:
        raise
    except OSError as error:
        raise _unwritable(error, out) from error
    return path


def _unwritable(error: OSError, out: Path) -> OutputError:
    return OutputError(
        f"The task cannot be written: {error.strerror or error}.",
        where=str(error.filename or out),
        mend="Name a folder you may write to, with room for it.",
    )


def _write_record(number: int, record: Record, out: Path) -> str:
    names = []
    for which, image in enumerate(record.images):
        name = f"images/{number:05d}{f'-{which}' if len(record.images) > 1 else ''}"
        if isinstance(image, Image.Image):
            names.append(f"{name}.png")
            image.save(out / names[-1])
        else:
            names.append(f"{name}{image.suffix}")
            shutil.copyfile(image, out / names[-1])
    row: dict[str, object] = {
        "image": names[0] if len(names) == 1 else names,
        "question": record.question,
        "label": record.label,
    }
    if record.options is not None:
        row["options"] = list(record.options)
    if record.group is not None:
        row["group"] = record.group
    return json.dumps(row, ensure_ascii=False)
