"""What it costs, on average, to take neurons over instead of finding them anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from superneurons.evaluate.robustness.seed_scores import (
    SeedDifference,
    SeedScores,
    seed_difference,
    seed_scores,
)
from superneurons.task.record import Record

__all__ = ["Given", "Transfer", "transfers"]

Given: TypeAlias = Mapping[tuple[str, int, int], Sequence[Sequence[str]]]
"""Labels for each seed, by way of answering, domain fitted on and domain tested on."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One way of answering on the test records of all domains together.

    Parameters
    ----------
    way
        What answers.
    anew
        Each domain answered by what was fitted on itself.
    taken_over
        Each domain answered by what was fitted on others; mean over these.
    loss
        The second less the first: below 0 transfer costs. Records that share pictures, as under
        several wordings, are drawn together.
    """

    way: str
    anew: SeedScores
    taken_over: SeedScores
    loss: SeedDifference

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "way": self.way, "anew": self.anew.as_dict(),
            "taken_over": self.taken_over.as_dict(), "loss": self.loss.as_dict(),
        }  # fmt: skip


def transfers(
    tests: Sequence[Sequence[Record]], given: Given, labels: Sequence[str]
) -> tuple[Transfer, ...]:
    """Average over all pairs of domains.

    Parameters
    ----------
    tests
        The test records of each of D domains, two at least.
    given
        Answers of every way, by every domain, to every domain; as many seeds of each.
    labels
        The common labels, sorted; empty where records bring options of their own.

    Raises
    ------
    DataError
        No seeds, or lengths that differ.
    """
    records, found = [record for test in tests for record in test], []
    for way in dict.fromkeys(way for way, _, _ in given):
        # Fitted so many places further on: every domain is answered by every other one once.
        each = [_joined(given, way, places, len(tests)) for places in range(len(tests))]
        own, others = each[0], [answers for part in each[1:] for answers in part]
        found.append(
            Transfer(
                way, seed_scores(records, own, labels=labels),
                seed_scores(records, others, labels=labels),
                seed_difference(records, others, own, labels=labels),
            )
        )  # fmt: skip
    return tuple(found)


def _joined(given: Given, way: str, places: int, n: int) -> list[list[str]]:
    """Answers to the test records of all domains, for each seed."""
    parts = [given[way, (tested + places) % n, tested] for tested in range(n)]
    return [[label for part in seed for label in part] for seed in zip(*parts, strict=True)]
