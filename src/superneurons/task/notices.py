"""What a user should know of pictures that are read otherwise than they are stored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Literal, TypeAlias

__all__ = ["DataNotice", "Treatment", "notice_of"]

Treatment: TypeAlias = Literal["transparent", "frames", "16-bit", "CMYK", "EXIF"]
"""What about a picture makes it read otherwise than it is stored."""

_SAID: dict[Treatment, str] = {
    "transparent": "transparent, laid over white",
    "frames": "several frames or pages in one file, the first counts",
    "16-bit": "16 bits, scaled to 8 from their full range",
    "CMYK": "CMYK, converted without colour profile",
    "EXIF": "EXIF data that cannot be read, shown as stored",
}
_MOST_NAMED = 3


class DataNotice(UserWarning):
    """Pictures that are read otherwise than they are stored, said once for all of a run.

    Parameters
    ----------
    text
        What is said.
    told
        Each picture by name with what is done to it, to tell what was said before.
    """

    def __init__(self, text: str, told: Iterable[tuple[Treatment, str]] = ()) -> None:
        super().__init__(text)
        self.told = frozenset(told)


def notice_of(found: Iterable[tuple[str, Iterable[Treatment]]]) -> DataNotice | None:
    """Sum up what is done to pictures; nothing where there is nothing to say.

    Parameters
    ----------
    found
        Names of pictures, with what is done to each.

    Examples
    --------
    >>> print(notice_of([("a/1.png", ["transparent"]), ("a/2.gif", ["transparent", "frames"])]))
    Some pictures are read otherwise than they are stored: transparent, laid over white: 2 \
(1.png, 2.gif); several frames or pages in one file, the first counts: 1 (2.gif).
    >>> notice_of([("a/1.png", [])]) is None
    True
    """
    names: dict[Treatment, list[str]] = {kind: [] for kind in _SAID}
    for name, kinds in found:
        for kind in kinds:
            names[kind].append(name)
    parts = [f"{said}: {_counted(names[kind])}" for kind, said in _SAID.items() if names[kind]]
    if not parts:
        return None
    return DataNotice(
        f"Some pictures are read otherwise than they are stored: {'; '.join(parts)}.",
        ((kind, name) for kind, concerned in names.items() for name in concerned),
    )


def _counted(names: list[str]) -> str:
    shown = ", ".join(PurePath(name).name for name in names[:_MOST_NAMED])
    return f"{len(names)} ({shown}{' …' if len(names) > _MOST_NAMED else ''})"
