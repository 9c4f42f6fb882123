"""What a published task is: which files it comes in, and how they become records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from superneurons.task.published.reader import Reader
    from superneurons.task.record import Record

__all__ = ["Needed", "Published", "Split"]


@dataclass(frozen=True, slots=True)
class Needed:
    """One file, or one folder of pictures, that has to be downloaded.

    Parameters
    ----------
    path
        Where it is looked for, relative to the task's directory. A folder ends with ``/``.
    what
        What it is, in a few words.
    source
        The page it is downloaded from.
    also
        Other places it is looked for, in order: as it lies in its authors' repository, say.
    """

    path: str
    what: str
    source: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """Some of a task's records.

    Parameters
    ----------
    needs
        The files and folders it is read from.
    load
        Reads them: gets a :class:`~superneurons.task.published.reader.Reader`, which opens files,
        looks for pictures and collects what is wrong, and returns the records in the files' order.
    role
        ``"probe"``: to find neurons on; ``"test"``: to score on; ``"ask"``: without labels, which
        are not published, so only to be answered; ``"all"``: what other splits are parts of.
    count
        How many records the paper or the files' authors give, where they do.
    """

    needs: tuple[Needed, ...]
    load: Callable[[Reader], Sequence[Record]]
    role: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A task as it was published, with the paper's prompt and rules.

    Parameters
    ----------
    name
        What the command line calls it: ``pope``.
    title
        Its own name: "POPE".
    question
        What each record is asked, with its parts in braces: "Is there a {object} in the image?".
    answers
        The labels, or what stands for them where each record has options of its own.
    splits
        By name; the first of role ``probe`` and the first of role ``test`` are the paper's.
    paper
        Which paper reports on it, and where.
    licence
        Of the questions; pictures may have others.
    n_probe
        Records that paper probes on; balanced over the answers.
    unrolled
        Whether that paper asks for each option by itself.
    template
        How it does, for :func:`~superneurons.task.unroll.unroll`.
    notes
        What is left open by that paper, and how it is settled here.
    """

    name: str
    title: str
    question: str
    answers: tuple[str, ...]
    splits: Mapping[str, Split]
    paper: str
    licence: str
    n_probe: int | None = None
    unrolled: bool = False
    template: str | None = None
    notes: tuple[str, ...] = field(default=())
