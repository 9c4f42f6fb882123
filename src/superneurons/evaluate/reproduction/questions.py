"""Binary questions as the paper asks them: the probing set balanced, the test set as it is."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.task.duplicates import warn_of_contradictions
from superneurons.task.groups import group_ids
from superneurons.task.images import check_images, image_key
from superneurons.task.labels import DataWarning, is_multiple_choice, known_labels, label_set
from superneurons.task.record import Record
from superneurons.task.unroll import NEGATIVE, POSITIVE, Unrolled, unroll

__all__ = ["Questions", "balanced_draw", "digest", "questions_of"]


@dataclass(frozen=True)
class Questions:
    """What is asked.

    Parameters
    ----------
    classes
        The two answers; the second is the positive one.
    probe
        M binary questions, each answer equally often.
    test
        N binary questions.
    records
        The records that the test questions are of; they are the questions where nothing was
        unrolled.
    labels
        The common labels of these; empty where each has options of its own.
    unrolled
        How the test questions came from the records, where these have more than two answers.
    """

    classes: tuple[str, str]
    probe: tuple[Record, ...]
    test: tuple[Record, ...]
    records: tuple[Record, ...]
    labels: tuple[str, ...]
    unrolled: Unrolled | None = None


def questions_of(probe: Sequence[Record], test: Sequence[Record], settings: Settings) -> Questions:
    """Draw the probing set and the test set, and check both before a model runs.

    Parameters
    ----------
    probe, test
        Labelled records.
    settings
        How many are drawn, with which seed, and how options are asked for.

    Raises
    ------
    DataError
        When there are no records, labels or pictures can't be used, those of the test records are
        other ones, or all probing records are scored on, too.

    Warns
    -----
    DataWarning
        With the number of probing records left out because they share a picture or a group with
        test records; where probing questions contradict each other.
    """
    if gone := [name for name, part in (("data", probe), ("test", test)) if not part]:
        raise DataError("There are no records.", where=" and ".join(gone), mend="Give some.")
    both = [*probe, *test]
    labels = () if is_multiple_choice(both) else tuple(sorted(set(known_labels(both))))
    if labels:
        _refuse_strange(probe, test)
    rng = np.random.default_rng(settings.seed)
    records = _some(test, settings.n_test, rng)
    pool = _apart(probe, records)
    if len(labels) == 2:
        asked, unrolled, classes = tuple(records), None, (labels[0], labels[1])
        drawn = [pool[i] for i in balanced_draw(known_labels(pool), settings.n_probe, rng)]
    else:
        template, options = settings.option_template, list(labels) or None
        unrolled = unroll(records, options, template=template)
        asked, classes = unrolled.records, (NEGATIVE, POSITIVE)
        drawn = _pairs(unroll(pool, options, template=template), settings.n_probe, rng)
    label_set(drawn)
    check_images([*drawn, *records])
    warn_of_contradictions(drawn)
    return Questions(classes, tuple(drawn), asked, tuple(records), labels, unrolled)


def _refuse_strange(probe: Sequence[Record], test: Sequence[Record]) -> None:
    """Refuse answers that nothing is fitted on: a test file of another task."""
    if any(record.options is not None for record in [*probe, *test]):
        return
    known, asked = set(known_labels(probe)), set(known_labels(test))
    if len(known) > 1 and (strange := sorted(asked - known)):
        raise DataError(
            "The records to score on have labels that those to probe on lack.",
            where=", ".join(strange),
            mend="Give records of one question; those to probe on have "
            f"{', '.join(sorted(known))}.",
        )


def _some(
    records: Sequence[Record], most: int | None, rng: np.random.Generator
) -> Sequence[Record]:
    if most is None or len(records) <= most:
        return records
    return [records[i] for i in np.sort(rng.choice(len(records), most, replace=False))]


def _apart(probe: Sequence[Record], test: Sequence[Record]) -> Sequence[Record]:
    """Leave out of the first what shares a picture or a group with the second."""
    groups = group_ids([*probe, *test])
    scored = set(groups[len(probe) :].tolist())
    pairs = zip(probe, groups.tolist(), strict=False)
    kept = [record for record, group in pairs if group not in scored]
    if not kept:
        raise DataError(
            f"All {len(probe)} records to probe on share a picture or a group with records that "
            "are scored on.",
            where="data",
            mend="Give others.",
        )
    if len(kept) < len(probe):
        warnings.warn(
            f"{len(probe) - len(kept)} of {len(probe)} records to probe on are left out: they "
            "share a picture or a group with records that are scored on.",
            DataWarning,
            stacklevel=3,
        )
    return kept


def balanced_draw(labels: Sequence[str], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw at most so many at random, each answer equally often (arXiv 2603.10781, section 4.2).

    Parameters
    ----------
    labels
        N of two different answers.
    most
        At least 2; one fewer when odd.
    rng
        Decides which.

    Returns
    -------
    ndarray of int64
        Indices, ascending.

    Raises
    ------
    DataError
        When there are not two answers.

    Examples
    --------
    >>> balanced_draw(["no", "yes", "no"], 10, np.random.default_rng(0)).tolist()
    [1, 2]
    """
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) != 2:
        raise DataError(
            f"The records to probe on have {len(names)} different answers, not 2.",
            where="data",
            mend="Give records with both answers.",
        )
    share = min(most // 2, *np.bincount(codes).tolist())
    chosen = [rng.choice(np.flatnonzero(codes == c), share, replace=False) for c in (0, 1)]
    return np.sort(np.concatenate(chosen))


def _pairs(unrolled: Unrolled, most: int, rng: np.random.Generator) -> list[Record]:
    """Draw questions at random: of each its "yes", and one "no"."""
    parents = np.unique(unrolled.parents)
    chosen = np.sort(rng.choice(parents, min(most // 2, len(parents)), replace=False))
    found: list[Record] = []
    for parent in chosen:
        own = [unrolled.records[i] for i in np.flatnonzero(unrolled.parents == parent)]
        others = [record for record in own if record.label == NEGATIVE]
        found += [record for record in own if record.label == POSITIVE]
        found.append(others[int(rng.integers(len(others)))])
    return found


def digest(records: Sequence[Record]) -> str:
    """Return a SHA-256 of questions, labels and pictures: of files their bytes, not their paths."""
    found, known = hashlib.sha256(), dict[Path, str]()
    for record in records:
        found.update(repr((record.question, record.label)).encode())
        for image in record.images:
            if not isinstance(image, Path):
                found.update(image_key(image).encode())
                continue
            if image not in known:
                known[image] = hashlib.sha256(image.read_bytes()).hexdigest()
            found.update(known[image].encode())
    return found.hexdigest()
