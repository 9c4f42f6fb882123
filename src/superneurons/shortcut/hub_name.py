"""What of the Hugging Face hub is meant by a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from superneurons.errors import ArtefactError

__all__ = ["HubName", "hub_name"]

_OWNER_AND_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository of the hub, at a branch, tag or commit.

    Examples
    --------
    >>> str(HubName("owner/name", "v1"))
    'owner/name@v1'
    """

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"


def hub_name(directory: str | Path, revision: str | None = None) -> HubName | None:
    """Return what of the hub is meant; ``None`` where something on disk is, or can only be.

    Parameters
    ----------
    directory
        A path, ``owner/name``, or ``owner/name@revision``.
    revision
        The same, said apart.

    Raises
    ------
    ArtefactError
        When two revisions are asked for.

    Examples
    --------
    >>> hub_name("owner/name@v1")
    HubName(name='owner/name', revision='v1')
    >>> hub_name("./owner/name") is None
    True
    """
    # Only as text is ./owner/name another thing than owner/name.
    text = directory if isinstance(directory, str) else directory.as_posix()
    name, _, after = text.partition("@")
    if not _OWNER_AND_NAME.fullmatch(name) or Path(text).exists():
        return None
    if after and revision not in (None, after):
        raise ArtefactError(
            f"Two revisions of {name!r} are asked for: {after!r} and {revision!r}.",
            where=text,
            mend="Give one.",
        )
    return HubName(name, after or revision)
