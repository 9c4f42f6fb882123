"""Everything this package raises on purpose.

::

    SuperNeuronsError
    ├── DataError(ValueError)            records, pictures, labels; lists every problem of an input
    ├── ModelError(RuntimeError)         a base model that cannot be used the way it was asked
    │   ├── ModelNotFoundError(OSError)      … that is not there: no such path, no network
    │   └── VerificationError                … that isn't what its family says
    ├── ArtefactError(ValueError)        a saved classifier that cannot be read
    │   └── MismatchError                    … or that belongs to another model, prompt or layout
    ├── OutputError(OSError)             a place that cannot be written, or is taken
    ├── ResourceError(MemoryError)       too little memory, with how much is needed
    ├── ServiceError(RuntimeError)       a service that cannot answer now
    │   ├── BusyError                        … its queue is full, or it is stopping
    │   └── DeadlineError(TimeoutError)      … in the time that was given
    └── MissingExtraError(ImportError)   an optional dependency, with the command that installs it

Each message says *what* is wrong, *where* (file:row, field, layer) and *how to mend it*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ArtefactError",
    "BusyError",
    "DataError",
    "DeadlineError",
    "MismatchError",
    "MissingExtraError",
    "ModelError",
    "ModelNotFoundError",
    "OutputError",
    "Problem",
    "ResourceError",
    "ServiceError",
    "SuperNeuronsError",
    "VerificationError",
]

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input.

    Parameters
    ----------
    where
        The place: ``train.jsonl:12``, ``config.json: prompt.hash``, ``layer 3``.
    what
        What is wrong there, with the offending value.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class SuperNeuronsError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    what
        What is wrong, in one sentence.
    where
        The place, when there is a single one.
    mend
        What the user can do about it.
    problems
        All problems of the input, when it was checked as a whole.

    Examples
    --------
    >>> print(SuperNeuronsError("No such picture.", where="train.jsonl:3", mend="Fix the path."))
    No such picture.
      where: train.jsonl:3
      mend:  Fix the path.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        mend: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        self.problems = tuple(problems)
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  {problem}" for problem in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(f"  … and {len(self.problems) - _MOST_SHOWN} more")
        if self.where is not None:
            lines.append(f"  where: {self.where}")
        if self.mend is not None:
            lines.append(f"  mend:  {self.mend}")
        return "\n".join(lines)


class DataError(SuperNeuronsError, ValueError):
    """Records, pictures or labels that cannot be used; ``problems`` lists every one."""


class ModelError(SuperNeuronsError, RuntimeError):
    """A base model that cannot be used the way it was asked."""


class ModelNotFoundError(ModelError, OSError):
    """A base model that is not there: no such path, no network, a package not installed."""

    # OSError formats itself from errno; the tree's own message wins.
    __str__ = SuperNeuronsError.__str__


class VerificationError(ModelError):
    """A base model that isn't what its family says; ``problems`` names the checks that failed."""


class ArtefactError(SuperNeuronsError, ValueError):
    """A saved classifier that cannot be read."""


class MismatchError(ArtefactError):
    """A saved classifier, or stored activations, that belong to something else."""


class OutputError(SuperNeuronsError, OSError):
    """A place that cannot be written, or that is already taken."""

    __str__ = SuperNeuronsError.__str__


class ResourceError(SuperNeuronsError, MemoryError):
    """Too little memory; the message says how much is needed."""


class ServiceError(SuperNeuronsError, RuntimeError):
    """A service that cannot answer now."""


class BusyError(ServiceError):
    """A service whose queue is full, or that is stopping.

    Parameters
    ----------
    retry_after
        Seconds after which it is worth asking again; ``None`` when it is stopping.
    """

    def __init__(
        self,
        what: str,
        *,
        retry_after: float | None = None,
        where: str | None = None,
        mend: str | None = None,
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.retry_after = retry_after


class DeadlineError(ServiceError, TimeoutError):
    """A service that did not answer in the time that was given."""

    __str__ = SuperNeuronsError.__str__


class MissingExtraError(SuperNeuronsError, ImportError):
    """An optional dependency that is not installed."""

    __str__ = SuperNeuronsError.__str__
