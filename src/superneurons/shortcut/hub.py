"""Saved classifiers, on disk or on the Hugging Face hub: where their files are.

A directory on disk wins over a hub id. Of a repository only the files of a classifier are
downloaded, all of one commit: JSON, safetensors and text, none of which can run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superneurons.shortcut.hub_fetch import fetch
from superneurons.shortcut.hub_name import HubName, hub_name

__all__ = ["Located", "artefact_directory", "forget", "located"]


@dataclass(frozen=True, slots=True)
class Located:
    """Where a saved classifier is on disk.

    Parameters
    ----------
    directory
        With its files.
    commit
        Of the hub; ``None`` of a directory that was given.
    params
        Parameters of its constructor: those that were given, but for the revision where that
        was of the classifier.
    """

    directory: Path
    commit: str | None
    params: Mapping[str, Any]


# What was read of a name belongs to what is loaded next of it: the same commit.
_READ: dict[HubName, tuple[Path, str]] = {}


def artefact_directory(directory: str | Path) -> Path:
    """Return where the files of a saved classifier are, downloaded where it is one of the hub.

    Reading it again gives the same commit, until it is loaded (:func:`located`).

    Parameters
    ----------
    directory
        As of :func:`hub_name`; paths are returned as they are.

    Raises
    ------
    ArtefactError
        When the hub has no such classifier, or it cannot be fetched.
    """
    asked = hub_name(directory)
    if asked is None:
        return Path(directory)
    if asked not in _READ:
        _READ[asked] = fetch(asked)
    return _READ[asked][0]


def located(directory: str | Path, params: Mapping[str, Any]) -> Located:
    """Find a classifier that is to be loaded.

    Parameters
    ----------
    directory
        As of :func:`hub_name`.
    params
        Parameters of the estimator; ``revision`` is that of a classifier of the hub, and
        otherwise that of the base model.

    Raises
    ------
    ArtefactError
        As of :func:`artefact_directory`.
    """
    asked = hub_name(directory, params.get("revision"))
    if asked is None:
        return Located(Path(directory), None, params)
    where, commit = _READ.pop(asked) if asked in _READ else fetch(asked)
    return Located(where, commit, {k: v for k, v in params.items() if k != "revision"})


def forget(name: str) -> None:
    """Let go of the commits that were read of a repository: there is a newer one."""
    for asked in [asked for asked in _READ if asked.name == name]:
        del _READ[asked]
