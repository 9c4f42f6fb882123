"""Binary questions as the paper asks them: the probing set balanced, the test set as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.evaluate.pool import two_parts
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.task.duplicates import warn_of_contradictions
from superneurons.task.groups import group_ids
from superneurons.task.images import check_images, image_key
from superneurons.task.labels import is_multiple_choice, known_labels, label_set
from superneurons.task.record import Record
from superneurons.task.unroll import NEGATIVE, POSITIVE, Unrolled, balance, unroll

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
        When labels or pictures can't be used, or both share a picture or a group.

    Warns
    -----
    DataWarning
        Where probing questions contradict each other.
    """
    both = [*probe, *test]
    labels = () if is_multiple_choice(both) else tuple(sorted(set(known_labels(both))))
    rng = np.random.default_rng(settings.seed)
    records = _some(test, settings.n_test, rng)
    if len(labels) == 2:
        asked, unrolled = list(probe), None
        classes, of_test = (labels[0], labels[1]), tuple(records)
    else:
        template, options = settings.option_template, list(labels) or None
        asked = list(unroll(probe, options, template=template).records)
        unrolled = unroll(records, options, template=template)
        classes, of_test = (NEGATIVE, POSITIVE), unrolled.records
    drawn = tuple(asked[row] for row in balanced_draw(asked, settings.n_probe, rng))
    label_set(drawn)
    two_parts(drawn, of_test)
    check_images([*drawn, *records])
    warn_of_contradictions(drawn)
    return Questions(classes, drawn, of_test, tuple(records), labels, unrolled)


def _some(
    records: Sequence[Record], most: int | None, rng: np.random.Generator
) -> Sequence[Record]:
    if most is None or len(records) <= most:
        return records
    return [records[i] for i in np.sort(rng.choice(len(records), most, replace=False))]


def balanced_draw(
    asked: Sequence[Record], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw at most so many binary questions, each answer equally often, by whole groups at first.

    Parameters
    ----------
    asked
        N labelled questions with two answers.
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
        When there is but one answer, or a label is missing.
    """
    labels = known_labels(asked)
    if len(set(labels)) != 2:
        raise DataError(
            f"The records to probe on have {len(set(labels))} different answers, not 2.",
            where="data",
            mend="Give records with both answers.",
        )
    rows = balance(asked, rng)
    groups = group_ids([asked[row] for row in rows])
    order = rng.permutation(int(groups.max()) + 1)[groups]
    kept: list[int] = []
    for label in sorted(set(labels)):
        own = [place for place, row in enumerate(rows.tolist()) if labels[row] == label]
        own.sort(key=lambda place: (order[place], place))
        kept += own[: most // 2]
    return rows[np.sort(np.array(kept, dtype=np.int64))]


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
