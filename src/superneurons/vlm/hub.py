"""Files of models on the Hugging Face hub or in its local cache; or why they aren't to be had."""

from __future__ import annotations

import os
from pathlib import Path

from superneurons.errors import ModelNotFoundError

__all__ = ["hub_file", "not_found", "offline_hint", "offline_variable"]

# In the order in which huggingface_hub heeds them.
_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def hub_file(name: str, file: str, revision: str | None) -> Path | None:
    """Return where a file of a model is, downloading it if it isn't here yet.

    In offline mode only the local cache is looked into.

    Parameters
    ----------
    name
        A hub id.
    file
        Its path within the model.
    revision
        Branch, tag or commit.

    Returns
    -------
    Path or None
        ``None`` where the model has no such file, or where it isn't cached and can't be fetched.

    Raises
    ------
    ModelNotFoundError
        When there is no such model or revision, it may not be read, or the hub refuses otherwise.
    """
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(huggingface_hub.hf_hub_download(name, file, revision=revision))
    except EntryNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: it can be no id
        raise not_found(name, revision, error) from error


def not_found(
    name: str, revision: str | None = None, error: Exception | None = None
) -> ModelNotFoundError:
    """Say why a model isn't to be had, and how to get it.

    Parameters
    ----------
    name
        How the user called it.
    revision
        Branch, tag or commit that was asked for.
    error
        What ``huggingface_hub`` raised.
    """
    what, mend = _refused(name, revision, error) or _out_of_reach(name, revision, error)
    return ModelNotFoundError(what, where=name, mend=mend)


def offline_variable() -> str | None:
    """Return what switches offline mode on, such as ``HF_HUB_OFFLINE=1``; ``None`` if it's off."""
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE:
        return None
    said = (f"{name}={os.environ[name]}" for name in _VARIABLES if os.environ.get(name))
    return next(said, _VARIABLES[0])


def offline_hint() -> str:
    """Return a sentence for who misses a file of the hub in offline mode; ``""`` when it's off."""
    variable = offline_variable()
    if variable is None:
        return ""
    return (
        f" Offline mode is on: unset {variable.partition('=')[0]} to fetch what is not in the "
        "local hub cache."
    )


def _refused(name: str, revision: str | None, error: Exception | None) -> tuple[str, str] | None:
    """What the hub itself said."""
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            return (
                f"Access to {name!r} is restricted (gated), and not granted to you.",
                f"Ask for access at https://huggingface.co/{name}, then log in (`hf auth login`, "
                "or HF_TOKEN); or give the path of a directory.",
            )
        case errors.RepositoryNotFoundError():
            return (
                f"The hub has no model {name!r}, or it is private.",
                "Check the id; log in if it is private (`hf auth login`, or HF_TOKEN); or give "
                "the path of a directory.",
            )
        case errors.RevisionNotFoundError():
            return (
                f"{name!r} has no revision {revision!r}.",
                "Give a branch, tag or commit that the model has on the hub.",
            )
        case errors.HFValidationError():
            return (
                f"There is no model {name!r}: it is no local directory, and can be no hub id.",
                "Give the path of a directory, a hub id such as owner/name, or 'demo'.",
            )
        case PermissionError():
            return (
                f"The local hub cache cannot be used: {error}",
                "Make it readable and writable, or set HF_HOME to a place that is.",
            )
    return None


def _out_of_reach(name: str, revision: str | None, error: Exception | None) -> tuple[str, str]:
    from huggingface_hub import constants

    at = "" if revision is None else f" at revision {revision!r}"
    variable = offline_variable()
    if variable is not None:
        return (
            f"Offline mode is on ({variable}), and {name!r}{at} is neither a local directory nor "
            f"in the local hub cache ({constants.HF_HUB_CACHE}).",
            f"Unset {variable.partition('=')[0]} to fetch it, set HF_HOME to where it is cached, "
            "give the path of a directory, or use 'demo'.",
        )
    why = str(error or "").strip().partition("\n")[0] or "no network, or no config.json there"
    return (
        f"There is no model {name!r}{at}: it is no local directory, it is not in the local hub "
        f"cache ({constants.HF_HUB_CACHE}), and it could not be fetched from the hub ({why}).",
        "Give the path of a directory, check the id and the network, or use 'demo'.",
    )
