"""Files of JSON that a command kept, opened before anything in them is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from superneurons.errors import ArtefactError
from superneurons.report.decoding import plain

__all__ = ["kept_content"]


def kept_content(path: Path, *, what: str, newest: int, mend: str) -> dict[str, Any]:
    """Read a kept file as JSON values; what is no object is empty.

    Parameters
    ----------
    path
        The file.
    what
        What is in it, in one word: "run".
    newest
        The latest format that this version reads.
    mend
        What to give instead of a file that cannot be read.

    Raises
    ------
    ArtefactError
        When it is missing or no JSON, or was written by a later version.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = plain(json.loads(text, parse_constant=_refuse_constant))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtefactError(
            f"There is no {what} in {str(path)!r}: {error}", where=str(path), mend=mend
        ) from error
    content = content if isinstance(content, dict) else {}
    form = content.get("format")
    if isinstance(form, int) and form > newest:
        raise ArtefactError(
            f"This {what} has format {form}; this version reads up to {newest}.",
            where=str(path),
            mend="Update superneurons.",
        )
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
