"""The records of a comparison with all that the model gives for them, and how they are parted."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from superneurons.activations.capture import Captured
from superneurons.activations.site import Site
from superneurons.errors import DataError, Problem
from superneurons.shortcut.form import Form
from superneurons.shortcut.probing import ProbingSet
from superneurons.task.groups import group_ids, groups_per_label
from superneurons.task.labels import DataWarning, is_multiple_choice, known_labels
from superneurons.task.record import Record
from superneurons.task.unroll import balance

__all__ = ["Part", "Pool", "crossed_parts", "two_parts"]

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Part:
    """Which records are fitted on, and which others are answered.

    Parameters
    ----------
    train, test
        Indices into the records of the comparison.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """What the model gives for all records of a comparison, asked in one form.

    Parameters
    ----------
    probing
        The M records as asked, neither parted nor balanced.
    parents
        Which of the N records each came from, shape (M,), ascending.
    captured
        Activations of the M records.
    """

    probing: ProbingSet
    parents: NDArray[np.int64]
    captured: Captured

    @property
    def form(self) -> Form:
        """How they were asked."""
        return self.probing.form

    def rows(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of some of the N records, in their order."""
        starts = np.searchsorted(self.parents, chosen)
        ends = np.searchsorted(self.parents, chosen, side="right")
        return np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)])

    def balanced_rows(self, train: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Return rows of some records in which each label is equally frequent."""
        rows = self.rows(train)
        asked = [self.probing.records[row] for row in rows]
        return rows[balance(asked, np.random.default_rng(seed))]

    def probing_set(self, rows: NDArray[np.int64]) -> ProbingSet:
        """Return some of the rows as a probing set."""
        records, labels = tuple(self.probing.records[row] for row in rows), self.probing.labels
        if self.form == "direct":
            # A rare label can be missing from a part: what is fitted there doesn't know it.
            labels = tuple(sorted({str(record.label) for record in records}))
        n = len(np.unique(self.parents[rows]))
        return replace(self.probing, records=records, labels=labels, n=n)

    def at(self, site: Site, rows: NDArray[np.int64]) -> Captured:
        """Return what was captured at one site for some of the rows."""
        return self.captured.at(site).rows(rows)


def two_parts(probe: Sequence[Record], test: Sequence[Record]) -> list[Part]:
    """Fit on the first, answer the others; the records of the comparison are both, in order.

    Raises
    ------
    DataError
        When a test record shares a picture or a group with a probing record; when the probing
        records are too few to learn any label from, or have none of the test records' labels.

    Warns
    -----
    DataWarning
        When test records have a label that no probing record has.
    """
    groups = group_ids([*probe, *test])
    known = set(groups[: len(probe)].tolist())
    shared = [i for i, group in enumerate(groups[len(probe) :].tolist()) if group in known]
    if shared:
        names = [test[index].id or f"record {index}" for index in shared[:_MOST_NAMED]]
        raise DataError(
            f"{len(shared)} of {len(test)} test records share a picture or a group with records "
            "that are fitted on.",
            problems=[Problem(name, "is in both") for name in names],
            mend="Leave them out of one of the two, or give all records as one set, which is then "
            "parted by picture.",
        )
    _refuse_unlearnable(probe, test, groups[: len(probe)])
    numbers = np.arange(len(probe) + len(test))
    return [Part(numbers[: len(probe)], numbers[len(probe) :])]


def _refuse_unlearnable(
    probe: Sequence[Record], test: Sequence[Record], groups: NDArray[np.int64]
) -> None:
    """The read-outs would say the same, but only after the model ran."""
    known, wanted = known_labels(probe), set(known_labels(test))
    if is_multiple_choice([*probe, *test]):
        return
    counts = groups_per_label(known, groups)
    if len(counts) < 2:
        raise DataError(
            f"All records that are fitted on have the label {known[0]!r}." if known
            else "There are no records to fit on.",
            mend="Add records with another label: there is nothing to tell apart.",
        )  # fmt: skip
    few = [Problem(f"label {name!r}", f"in {n} group") for name, n in counts.items() if n < 2]
    if few:
        raise DataError(
            "Some labels have too few examples to fit on: each needs two groups (pictures).",
            problems=few,
            mend="Add pictures for these labels, or leave them out.",
        )
    _say_unknown(sorted(wanted - set(counts)), sorted(counts), all_of_them=not wanted & set(counts))


def _say_unknown(unknown: Sequence[str], known: Sequence[str], *, all_of_them: bool) -> None:
    if not unknown:
        return
    what = f"No record that is fitted on has the label {', '.join(map(repr, unknown))}"
    if all_of_them:
        raise DataError(
            f"{what}, and the test records have no other.",
            mend=f"Give test records with the labels {', '.join(map(repr, known))}.",
        )
    warnings.warn(f"{what}: it can never be answered.", DataWarning, stacklevel=4)


def crossed_parts(records: Sequence[Record], *, folds: int, seed: int) -> list[Part]:
    """Part records so that each is answered once, by what was fitted on other groups.

    Raises
    ------
    DataError
        When a label is in fewer than ``folds`` groups.
    """
    groups, labels = group_ids(records), np.array(known_labels(records))
    if folds < 2:
        raise DataError(f"{folds} folds are too few.", where="folds", mend="Give at least 2.")
    own = [record.options.index(str(record.label)) for record in records if record.options]
    codes = np.array(own) if len(own) == len(records) else labels
    few = [
        Problem(f"label {label!r}", f"in {n} groups")
        for label in np.unique(codes).tolist()
        if (n := len(np.unique(groups[codes == label]))) < folds
    ]
    if few:
        raise DataError(
            f"Too few groups for {folds} folds.",
            problems=few,
            mend="Label more pictures, or use fewer folds.",
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    split = splitter.split(np.zeros(len(records)), codes, groups)
    return [Part(np.asarray(train), np.asarray(test)) for train, test in split]
