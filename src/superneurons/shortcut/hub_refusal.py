"""Why a classifier of the hub is not to be had, and how to get it."""

from __future__ import annotations

from superneurons.errors import ArtefactError
from superneurons.shortcut.hub_name import HubName
from superneurons.vlm.hub import offline_variable

__all__ = ["OR_A_PATH", "not_had", "refused", "transport_errors"]

OR_A_PATH = "or give the path of a directory that `superneurons fit --out` wrote"


def transport_errors() -> tuple[type[Exception], ...]:
    """Return what ``huggingface_hub`` raises when something isn't to be had.

    Its HTTP client is another package in each of its versions, and has errors of its own.
    """
    from huggingface_hub.errors import HfHubHTTPError

    return (OSError, ValueError, HfHubHTTPError.__mro__[1])


def not_had(asked: HubName, error: Exception) -> ArtefactError:
    """Say why a classifier is not to be had.

    Parameters
    ----------
    asked
        The classifier.
    error
        What ``huggingface_hub`` raised.
    """
    what, mend = refused(asked, error) or _out_of_reach(asked, error)
    return ArtefactError(what, where=str(asked), mend=mend)


def refused(asked: HubName, error: Exception) -> tuple[str, str] | None:
    """Return what the hub itself said, and how to mend it; ``None`` where it said nothing."""
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            return (
                f"Access to {asked.name!r} is restricted (gated), and not granted to you.",
                f"Ask for access at https://huggingface.co/{asked.name}, then log in "
                "(`hf auth login`, or HF_TOKEN).",
            )
        case errors.RepositoryNotFoundError():
            return (
                f"There is no directory {str(asked)!r} here, and the hub has no repository "
                f"{asked.name!r}, or it is private.",
                "Check the id; log in if it is private (`hf auth login`, or HF_TOKEN); "
                f"{OR_A_PATH}.",
            )
        case errors.RevisionNotFoundError():
            return (
                f"{asked.name!r} has no revision {asked.revision!r}.",
                "Give a branch, tag or commit that the repository has.",
            )
        case errors.HFValidationError():
            return (
                f"There is no directory {str(asked)!r} here, and it can be no hub id.",
                f"Give a hub id such as owner/name, {OR_A_PATH}.",
            )
    return None


def _out_of_reach(asked: HubName, error: Exception) -> tuple[str, str]:
    from huggingface_hub import constants

    variable, cache = offline_variable(), constants.HF_HUB_CACHE
    if variable is not None:
        return (
            f"There is no directory {str(asked)!r} here; offline mode is on ({variable}), and it "
            f"is not in the local hub cache ({cache}) either.",
            f"Unset {variable.partition('=')[0]} to fetch it, set HF_HOME to where it is cached, "
            f"{OR_A_PATH}.",
        )
    why = str(error).strip().partition("\n")[0] or type(error).__name__
    return (
        f"There is no directory {str(asked)!r} here, and it could not be fetched from the hub "
        f"({why}); it is not in the local hub cache ({cache}) either.",
        f"Check the id and the network, {OR_A_PATH}.",
    )
