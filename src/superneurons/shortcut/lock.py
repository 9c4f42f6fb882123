"""A lock: what classifiers were measured to be worth, from which confidence on, and on what."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from superneurons.activations.store import write_atomically
from superneurons.errors import ArtefactError, DataError, OutputError
from superneurons.shortcut.hub import artefact_directory
from superneurons.shortcut.hub_fetch import PARTS
from superneurons.shortcut.lock_schema import FORMAT, KIND, check_lock

__all__ = [
    "Lock",
    "Locked",
    "LockedStage",
    "Share",
    "artefact_digest",
    "locked_there",
    "read_lock",
    "settings_digest",
    "write_lock",
]

_MEND = "Give the file that `superneurons lock --out` wrote."


@dataclass(frozen=True, slots=True)
class Share:
    """A share of records, with how much it rests on.

    Parameters
    ----------
    hits, n
        Records that count, of how many.
    effective
        Independent records that would tell as much: fewer than ``n`` where records of one group
        are alike.
    interval
        Of the share, at 95 %.
    """

    hits: int
    n: int
    effective: float
    interval: tuple[float, float]

    @property
    def value(self) -> float:
        """The share, from 0 to 1; 0 of nothing."""
        return self.hits / self.n if self.n else 0.0


@dataclass(frozen=True, slots=True)
class LockedStage:
    """One stage of a cascade in a lock.

    Parameters
    ----------
    layer
        Decoder layers that run before it answers.
    base_answer
        Whether it is the base model's own answer.
    threshold
        It answers where its confidence is at least this. 0: always; ``None``: never, for JSON has
        no infinity.
    answered
        Answers that it gives, of all records.
    right
        Right ones, of those.
    """

    layer: int
    base_answer: bool
    threshold: float | None
    answered: Share
    right: Share

    def __str__(self) -> str:
        return "the base model's answer" if self.base_answer else f"layer {self.layer}"


@dataclass(frozen=True)
class Locked:
    """One classifier or cascade in a lock.

    Parameters
    ----------
    artefact
        :func:`artefact_digest` of its directory.
    base_model
        ``name``, ``revision`` (commit, or ``None``), ``dtype``, ``fingerprint`` of what runs,
        and ``processor``, a digest of the image processor's settings.
    prompt
        Digest of how it asks.
    versions
        Of the packages it was measured with.
    question, labels
        Its own; ``None`` and empty where records bring theirs.
    target_accuracy
        Wanted share of right answers among those that it gives itself; of a cascade, the one that
        it was fitted for.
    threshold
        Confidence below which its answers go on; 0 of a cascade, whose stages have their own.
    met
        Whether records that chose the thresholds reach the target; if a classifier's don't, all
        answers but entirely sure ones go on.
    chose
        Records that chose them; a cascade's did where it was fitted. All that follows was measured
        on others.
    accuracy
        Right answers, of all.
    answered_accuracy
        Right answers, of those that are given: with the confidence for it, or by a cascade's first
        exit.
    escalated
        Answers that go on, of all.
    reference
        Histograms: of ``label`` and ``confidence``, of the answers that are given; of the pictures
        of all records, in the bins of :data:`~superneurons.shortcut.reference.EDGES`.
    stages
        Of a cascade, in the order in which they are asked; empty of a classifier with one exit.
    """

    artefact: str
    base_model: Mapping[str, str | None]
    prompt: str
    versions: Mapping[str, str]
    question: str | None
    labels: tuple[str, ...]
    target_accuracy: float
    threshold: float
    met: bool
    chose: int
    accuracy: Share
    answered_accuracy: Share
    escalated: Share
    reference: Mapping[str, tuple[int, ...]]
    stages: tuple[LockedStage, ...] = ()

    @property
    def live(self) -> tuple[int, ...]:
        """Numbers of the stages that can answer anything; none of a classifier with one exit."""
        found = []
        for number, stage in enumerate(self.stages):
            if stage.threshold is not None:
                found.append(number)
            if stage.threshold == 0:
                break
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON values, as the file has them."""
        # A classifier is written as before there were stages: versions from then read it still.
        return {name: value for name, value in asdict(self).items() if name != "stages" or value}


@dataclass(frozen=True)
class Lock:
    """What was measured of several classifiers, by name.

    Examples
    --------
    >>> Lock({}).threshold("dark") is None
    True
    """

    classifiers: Mapping[str, Locked]

    def threshold(self, name: str) -> float | None:
        """Return the confidence below which a classifier's answers go on; ``None``: not locked."""
        found = self.classifiers.get(name)
        return None if found is None else found.threshold

    def locked(self, name: str) -> Locked:
        """Return what was measured of a classifier.

        Raises
        ------
        DataError
            When it is not in the lock.
        """
        if name not in self.classifiers:
            raise DataError(
                f"There is no {name!r} in this lock.",
                mend=f"It holds {', '.join(map(repr, self.classifiers)) or 'nothing'}.",
            )
        return self.classifiers[name]


def artefact_digest(directory: Path) -> str:
    """Return the SHA-256 of what a saved classifier or cascade consists of, its card left out.

    Raises
    ------
    ArtefactError
        When a part of it cannot be read.
    """
    digest = hashlib.sha256()
    for name in PARTS:
        path = artefact_directory(directory) / name
        try:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise ArtefactError(
                f"There is no classifier in {str(directory)!r}: {error}",
                where=str(path),
                mend="Give the directory that `superneurons fit --out` wrote.",
            ) from error
    return digest.hexdigest()


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an image processor's settings, in whatever order they are.

    Examples
    --------
    >>> settings_digest({"a": 1, "b": 2}) == settings_digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def read_lock(path: str | Path) -> Lock:
    """Read a lock and check all that it says.

    Raises
    ------
    ArtefactError
        When it is missing, is no JSON, was written by a later version, or lacks fields or has
        impossible ones; lists every problem.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtefactError(
            f"The lock cannot be read: {error}", where=str(path), mend=_MEND
        ) from error
    check_lock(found, str(path))
    return Lock({name: _locked(one) for name, one in found["classifiers"].items()})


def _locked(found: Mapping[str, Any]) -> Locked:
    plain = dict(found) | _shares(found, ("accuracy", "answered_accuracy", "escalated"))
    plain["stages"] = tuple(
        LockedStage(**stage | _shares(stage, ("answered", "right")))
        for stage in found.get("stages", ())
    )
    plain["labels"] = tuple(found["labels"])
    plain["reference"] = {name: tuple(counts) for name, counts in found["reference"].items()}
    return Locked(**plain)


def _shares(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, Share]:
    return {
        name: Share(**found[name] | {"interval": tuple(found[name]["interval"])}) for name in names
    }


def locked_there(path: Path, name: str, *, overwrite: bool = False) -> dict[str, Locked]:
    """Return what a lock holds that a classifier is to be written to; nothing where there is none.

    Raises
    ------
    ArtefactError
        As :func:`read_lock` does.
    OutputError
        When it holds that classifier and may not be overwritten, or the place cannot be written:
        better said before anything is measured.
    """
    known = dict(read_lock(path).classifiers) if path.exists() else {}
    if name in known and not overwrite:
        raise OutputError(
            f"{str(path)!r} says already what {name!r} is worth.",
            where=str(path),
            mend="Choose another file, or allow overwriting (--overwrite).",
        )
    trial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    write_atomically(trial, b"")
    trial.unlink()
    return known


def write_lock(lock: Lock, path: str | Path) -> None:
    """Write a lock, whole or not at all; the same measurements give the same bytes.

    Raises
    ------
    OutputError
        When the place cannot be written.
    """
    names = sorted(lock.classifiers)
    body = {
        "format": FORMAT,
        "kind": KIND,
        "classifiers": {name: lock.classifiers[name].as_dict() for name in names},
    }
    text = json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(Path(path), (text + "\n").encode())
