"""A new directory that is there whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from superneurons.errors import OutputError, SuperNeuronsError

__all__ = ["MARK", "check_free", "new_directory"]

MARK = "superneurons.json"
"""The file that every export holds: what it was made from, and what was measured."""


def check_free(directory: Path, *, overwrite: bool = False) -> None:
    """Make sure that a directory may be written, before anything is computed for it.

    Raises
    ------
    OutputError
        When it is there and may not be replaced, or holds something other than an export.
    """
    if not directory.exists():
        return
    if not overwrite:
        raise OutputError(
            f"{str(directory)!r} exists already.",
            where=str(directory),
            mend="Choose another directory, or allow overwriting (--overwrite).",
        )
    ours = directory.is_dir() and ((directory / MARK).exists() or not any(directory.iterdir()))
    if not ours:
        raise OutputError(
            f"{str(directory)!r} holds something other than an export; it is not overwritten.",
            where=str(directory),
            mend="Choose another directory.",
        )


@contextmanager
def new_directory(directory: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write into a directory beside the one wanted, which takes its place when all is done.

    Parameters
    ----------
    directory
        What is wanted.
    overwrite
        Whether an older export may be replaced.

    Yields
    ------
    Path
        Where to write. If anything is raised meanwhile, it goes away, and what was there stays.

    Raises
    ------
    OutputError
        When the place is taken or cannot be written.
    """
    check_free(directory, overwrite=overwrite)
    place = directory.resolve()  # a link stays one, and "." has no name of its own
    partial = place.parent / f".{place.name}.{uuid.uuid4().hex}"
    try:
        try:
            partial.mkdir(parents=True)
            yield partial
            _put(partial, place)
        except SuperNeuronsError:
            raise  # some are an OSError, too
        except OSError as error:
            raise OutputError(
                f"Cannot write {str(directory)!r}: {error.strerror or error}",
                where=str(directory.parent),
                mend="Choose a directory that can be written and has room.",
            ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put(partial: Path, place: Path) -> None:
    """Put a directory in the place of an older one, which is there until the new one is."""
    older = partial.with_name(f"{partial.name}.older")
    if place.exists():
        place.rename(older)
    try:
        partial.rename(place)
    except OSError:
        if older.exists():
            older.rename(place)
        raise
    shutil.rmtree(older, ignore_errors=True)
