"""Download the files of a classifier from the hub, of one commit, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from superneurons.errors import ArtefactError, Problem
from superneurons.shortcut.hub_name import HubName
from superneurons.shortcut.hub_refusal import OR_A_PATH, not_had, refused, transport_errors

__all__ = ["CARD", "PARTS", "fetch"]

PARTS = ("config.json", "classifier.safetensors")
"""The files that a classifier consists of."""

CARD = "README.md"
"""What tells people about it."""

# A classifier is a few kB; with a state for every neuron searched, some MB.
_MOST_BYTES = {PARTS[0]: 4 * 2**20, PARTS[1]: 2**29, CARD: 2**20}


def fetch(asked: HubName, *, card: bool = False) -> tuple[Path, str]:
    """Download the files of a classifier, or find them in the local cache.

    Where the hub is out of reach the cache is looked into, for the commit that was last known
    of the revision.

    Parameters
    ----------
    asked
        The classifier.
    card
        Whether its card is wanted too, where it has one.

    Returns
    -------
    tuple of Path and str
        The directory of the cache, and the commit.

    Raises
    ------
    ArtefactError
        When there is no such repository or revision, it may not be read, it holds no classifier
        or more than one takes, or it is neither to be fetched nor in the cache.
    """
    import huggingface_hub

    try:
        try:
            info = huggingface_hub.HfApi().model_info(
                asked.name, revision=asked.revision, files_metadata=True
            )
        except transport_errors() as error:
            if refused(asked, error):
                raise
            return _cached(asked, error)
        sizes = {file.rfilename: file.size for file in info.siblings or ()}
        _check(asked, sizes)
        return _downloaded(asked, (*PARTS, CARD) if card and CARD in sizes else PARTS)
    except ArtefactError:
        raise
    except transport_errors() as error:
        raise not_had(asked, error) from error


def _check(asked: HubName, sizes: Mapping[str, int | None]) -> None:
    """Refuse what is no classifier by its list of files, before any is downloaded."""
    missing = [file for file in PARTS if file not in sizes]
    if missing:
        raise ArtefactError(
            f"{str(asked)!r} on the hub holds no classifier: it lacks {', '.join(missing)}.",
            where=f"{asked}: {_shown(sizes)}",
            mend=f"Give a repository that `superneurons push` wrote, {OR_A_PATH}.",
        )
    problems = [
        Problem(f"{asked}: {file}", f"{sizes[file] or 0:,} bytes; at most {most:,} are taken")
        for file, most in _MOST_BYTES.items()
        if (sizes.get(file) or 0) > most
    ]
    if problems:
        raise ArtefactError(
            f"{str(asked)!r} on the hub is too large for a classifier; nothing was downloaded.",
            problems=problems,
            mend=f"Give a repository that `superneurons push` wrote, {OR_A_PATH}.",
        )


def _shown(files: Iterable[str], most: int = 5) -> str:
    names = sorted(files)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"it holds {', '.join(names[:most])}{more}" if names else "it is empty"


def _downloaded(asked: HubName, files: Iterable[str], **options: Any) -> tuple[Path, str]:
    """Download files of one commit: the first says which, and the cache remembers it."""
    import huggingface_hub

    revision, directory = asked.revision, Path()
    for file in files:
        found = huggingface_hub.hf_hub_download(asked.name, file, revision=revision, **options)
        directory = Path(found).parent
        revision = directory.name
    return directory, directory.name


def _cached(asked: HubName, error: Exception) -> tuple[Path, str]:
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return _downloaded(asked, PARTS, local_files_only=True)
    except EntryNotFoundError:
        raise error from None
