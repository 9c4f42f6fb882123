"""One labelled question about one or more pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageSource", "Record"]

ImageSource: TypeAlias = "Path | Image"
"""A picture by path, or already opened."""


@dataclass(frozen=True, slots=True)
class Record:
    """One question about one or more pictures, with its answer where it is known.

    Parameters
    ----------
    images
        The pictures, in the order the prompt shows them.
    question
        The question, without any chat markup.
    label
        The right answer; ``None`` when only asking.
    options
        The answers *this* record allows, where they differ from record to record (multiple
        choice). ``None`` means the labels of the whole task.
    group
        Records that must never be parted by a split. ``None`` means: those with the same pictures.
    id
        Where the record came from, for messages: ``train.jsonl:12``.

    Examples
    --------
    >>> from pathlib import Path
    >>> Record((Path("cat.png"),), "Is there a cat?", label="yes").label
    'yes'
    """

    images: tuple[ImageSource, ...]
    question: str
    label: str | None = None
    options: tuple[str, ...] | None = None
    group: str | None = None
    id: str = ""

    def with_question(self, question: str, label: str | None) -> Record:
        """Return the same pictures under another question, without options."""
        return replace(self, question=question, label=label, options=None)
