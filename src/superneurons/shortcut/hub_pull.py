"""Copy a classifier of the hub into a directory."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superneurons.activations.store import write_atomically
from superneurons.errors import ArtefactError, OutputError
from superneurons.shortcut.artefact import check_output, learnt, read_any, read_config
from superneurons.shortcut.hub_fetch import CARD, PARTS, fetch
from superneurons.shortcut.hub_name import HubName, hub_name

__all__ = ["ORIGIN", "Pulled", "check_readable", "pull"]

ORIGIN = "ORIGIN"
"""The file that says where a copy came from: ``owner/name@commit``."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A classifier that was copied.

    Parameters
    ----------
    directory
        Where it is now.
    origin
        Where it came from, at which commit.
    files
        What was copied.
    """

    directory: Path
    origin: HubName
    files: tuple[str, ...]


def pull(
    name: str, directory: Path, *, revision: str | None = None, overwrite: bool = False
) -> Pulled:
    """Copy a classifier of the hub into a directory, whole or not at all.

    Its bytes are the hub's; a file ``ORIGIN`` beside them says which commit they are.

    Parameters
    ----------
    name
        ``owner/name``, or ``owner/name@revision``.
    directory
        Where to.
    revision
        Branch, tag or commit.
    overwrite
        Whether a classifier that is there may be replaced.

    Raises
    ------
    ArtefactError
        When the hub has no such classifier, it is damaged, or it cannot be fetched.
    OutputError
        When the directory is taken or cannot be written.
    """
    asked = hub_name(name, revision)
    if asked is None:
        raise ArtefactError(
            f"{name!r} is here already, or is no name of the hub.",
            where=name,
            mend="Give owner/name, or owner/name@revision.",
        )
    check_output(directory, overwrite=overwrite)
    found, commit = fetch(asked, card=True)
    check_readable(found)
    origin = HubName(asked.name, commit)
    files = tuple(file for file in (*PARTS, CARD) if (found / file).exists())
    partial = directory.parent / f".{directory.name}.{uuid.uuid4().hex}"
    try:
        for file in files:
            write_atomically(partial / file, (found / file).read_bytes())
        write_atomically(partial / ORIGIN, f"{origin}\n".encode())
        if directory.exists():
            shutil.rmtree(directory)
        partial.rename(directory)
    except OSError as error:
        raise OutputError(
            f"Cannot write {str(directory)!r}: {getattr(error, 'strerror', None) or error}",
            where=str(directory),
            mend="Choose a directory that can be written and has room.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Pulled(directory, origin, files)


def check_readable(directory: Path) -> dict[str, Any]:
    """Read all that a classifier or cascade learnt, without its base model.

    Returns
    -------
    dict
        Its configuration.

    Raises
    ------
    ArtefactError
        When it is damaged.
    """
    if read_any(directory).get("kind") == "cascade":
        from superneurons.shortcut.cascade import Cascade
        from superneurons.shortcut.cascade_artefact import learnt_cascade, read_cascade_config

        config = read_cascade_config(directory)
        learnt_cascade(Cascade, config, directory)
        return config
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    config = read_config(directory)
    learnt(SuperNeuronClassifier, config, directory)
    return config
