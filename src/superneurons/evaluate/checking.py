"""Whether a classifier or a cascade is still what a lock says of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from superneurons.activations.capture import Progress
from superneurons.errors import DataError, MismatchError
from superneurons.evaluate.cascade_locking import measure_cascade
from superneurons.evaluate.measured import measure
from superneurons.evaluate.shares import changed
from superneurons.evaluate.stage_checking import moved_stages, stages_of
from superneurons.shortcut.belonging import CommitWarning
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.estimator import Estimator, is_cascade, load_estimator, read_estimator
from superneurons.shortcut.lock import Locked, Share, artefact_digest, settings_digest
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

__all__ = ["Checked", "Finding", "Now", "check_locked"]

_MEASURED = ("accuracy", "answered_accuracy", "escalated")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is no longer as it was locked.

    Parameters
    ----------
    what
        ``artefact``, ``base_model.revision``, ``base_model.fingerprint``, ``base_model.dtype``,
        ``base_model.processor``, ``prompt``, ``labels``, ``accuracy``, ``answered_accuracy`` or
        ``escalated``; of a cascade ``stages``, ``stages.0.threshold`` or ``stages.1.answered``;
        ``kind`` where one took the place of the other; others where a model can't be used at all.
    told
        How it was, and how it is now.
    """

    what: str
    told: str

    def __str__(self) -> str:
        return f"{self.what}: {self.told}"


@dataclass(frozen=True, slots=True)
class Now:
    """A share as it is now.

    Parameters
    ----------
    locked, found
        Then and now.
    p_value
        How likely two shares this far apart are if nothing changed.
    """

    locked: Share
    found: Share
    p_value: float


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Parameters
    ----------
    findings
        All that drifted; none where everything is as it was locked.
    shares
        By name; empty where it can't be what was locked, so that nothing was measured.
    level
        How often a check reports a share of an unchanged classifier, at most.
    versions
        Packages of another version than locked, which is no drift by itself: each then and now.
    """

    findings: tuple[Finding, ...]
    shares: Mapping[str, Now]
    level: float
    versions: Mapping[str, tuple[str, str]]

    @property
    def holds(self) -> bool:
        """Whether nothing drifted."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "holds": self.holds,
            "level": self.level,
            "findings": [asdict(finding) for finding in self.findings],
            "shares": {
                name: {
                    "locked": asdict(now.locked) | {"value": now.locked.value},
                    "found": asdict(now.found) | {"value": now.found.value},
                    "p_value": now.p_value,
                }
                for name, now in self.shares.items()
            },
            "versions": {name: list(both) for name, both in self.versions.items()},
        }


def check_locked(
    locked: Locked,
    directory: Path,
    records: Sequence[Record],
    *,
    level: float = 0.01,
    model: VLM | str | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> Checked:
    """Compare a classifier or a cascade with what a lock says of it, and measure it again.

    Identity is compared exactly. Shares are tested by Fisher's exact test, two-sided, on the
    independent records behind them, each at its part of the level (Bonferroni), so that what is
    unchanged is reported of other records of the same kind in at most ``level`` of all checks. On
    the very records of the lock it is rarer still. The first and last stage of a cascade have no
    share of their own: they follow from what goes on, and from the others.

    Parameters
    ----------
    locked
        From :meth:`~superneurons.shortcut.lock.Lock.locked`.
    directory
        The classifier's.
    records
        Labelled, of the kind that it was locked on.
    level
        Above 0 and below 1.
    model
        The base model, if it is elsewhere now.
    progress
        Told how far the answers are.
    params
        As for :func:`~superneurons.shortcut.estimator.load_estimator`.

    Raises
    ------
    ArtefactError
        When the classifier can't be read.
    DataError
        A level out of range; records that can't be measured on.
    ModelError
        When the model can't be opened.
    """
    if not 0 < level < 1:
        raise DataError(f"The level is {level}.", where="level", mend="Give a share such as 0.01.")
    findings, moved = list(_identity(locked, directory)), _moved(locked)
    if is_cascade(directory) != bool(locked.stages):
        return Checked(tuple(findings), {}, level, moved)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CommitWarning)  # it becomes a finding
            classifier = load_estimator(directory, model, **params)
    except MismatchError as error:
        known = {finding.what for finding in findings}
        findings += [Finding(p.where, p.what) for p in error.problems if p.where not in known]
        return Checked(tuple(findings), {}, level, moved)
    findings += _commit(locked, classifier.vlm)
    shares = _shares(locked, classifier, records, progress)
    return Checked((*findings, *_drifted(shares, level / len(shares))), shares, level, moved)


def _moved(locked: Locked) -> dict[str, tuple[str, str]]:
    found = {name: (then, _installed(name)) for name, then in locked.versions.items()}
    return {name: both for name, both in found.items() if both[0] != both[1]}


def _commit(locked: Locked, vlm: VLM) -> Iterator[Finding]:
    then = locked.base_model["revision"]
    if then != vlm.revision:
        yield Finding("base_model.revision", f"locked at {then}, now {vlm.revision}")


def _shares(
    locked: Locked, fitted: Estimator, records: Sequence[Record], progress: Progress | None
) -> dict[str, Now]:
    then = {name: getattr(locked, name) for name in _MEASURED}
    if isinstance(fitted, Cascade):
        cascade = measure_cascade(fitted, records, progress)
        now = [*cascade.shares()]
        for name, both in stages_of(locked, cascade.by_stage()).items():
            then[name] = both[0]
            now.append(both[1])
    else:
        found = measure(fitted, records, progress)
        now = [*found.shares(found.confidence >= locked.threshold)]
    return {
        name: Now(before, share, changed(before, share))
        for (name, before), share in zip(then.items(), now, strict=True)
    }


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _identity(locked: Locked, directory: Path) -> Iterator[Finding]:
    """What the artefact itself tells, before any model is opened."""
    config, digest = read_estimator(directory), artefact_digest(directory)
    base = config["base_model"]
    kinds = "a classifier with one exit", "a cascade"
    pairs = (
        ("kind", kinds[bool(locked.stages)], kinds[is_cascade(directory)]),
        ("artefact", locked.artefact, digest),
        ("base_model.dtype", locked.base_model["dtype"], base["dtype"]),
        ("base_model.fingerprint", locked.base_model["fingerprint"], base["fingerprint"]),
        ("base_model.processor", locked.base_model["processor"],
         settings_digest(base["processor"])),
        ("prompt", locked.prompt, config["prompt"]["sha256"]),
        ("labels", list(locked.labels), config["labels"]),
    )  # fmt: skip
    for what, then, now in pairs:
        if then != now:
            yield Finding(what, f"locked with {_short(then)}, now {_short(now)}")
    if locked.stages and is_cascade(directory):
        yield from (Finding(what, told) for what, told in moved_stages(locked, directory))


def _short(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else str(value)


def _drifted(shares: Mapping[str, Now], level: float) -> Iterator[Finding]:
    for name, now in shares.items():
        if now.p_value < level:
            low, high = now.locked.interval
            yield Finding(
                name,
                f"locked at {now.locked.value:.1%} ({low:.1%} to {high:.1%}, "
                f"{now.locked.n} records), now {now.found.value:.1%} of {now.found.n} "
                f"(p = {now.p_value:.2g})",
            )
