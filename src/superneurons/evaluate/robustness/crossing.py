"""Fitted on one kind of records, tested on another: every pair of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from superneurons.errors import DataError
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.robustness.gathered import BASE, MAJORITY, SHORT, Gathered, gather
from superneurons.evaluate.robustness.seed_scores import (
    SeedDifference,
    SeedScores,
    seed_difference,
    seed_scores,
)
from superneurons.evaluate.robustness.sheet import Sheet, signed, with_interval
from superneurons.evaluate.robustness.transfer import Given, Transfer, transfers
from superneurons.evaluate.setting import setting_of
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Cell", "Crossing", "Domain", "cross"]


@dataclass(frozen=True)
class Domain:
    """Records of one kind.

    Parameters
    ----------
    name
        What the table calls it.
    probe, test
        Labelled records to fit on, and others to score on.
    """

    name: str
    probe: Sequence[Record]
    test: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Cell:
    """One way of answering, fitted on one domain and tested on another.

    Parameters
    ----------
    way
        What answers.
    fitted_on, tested_on
        Names of domains. The base model's raw logits are fitted on nothing, and so the same for
        every ``fitted_on``.
    scores
        On the test records of ``tested_on``.
    loss
        How much worse it is than when fitted on ``tested_on`` itself (below 0: worse); ``None``
        where it is.
    """

    way: str
    fitted_on: str
    tested_on: str
    scores: SeedScores
    loss: SeedDifference | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        loss = None if self.loss is None else self.loss.as_dict()
        names = {"way": self.way, "fitted_on": self.fitted_on, "tested_on": self.tested_on}
        return {**names, "scores": self.scores.as_dict(), "loss": loss}


@dataclass(frozen=True)
class Crossing:
    """All pairs of domains.

    Parameters
    ----------
    what
        What the domains differ in.
    domains
        Their names, with what they stand for.
    cells
        One per way of answering and pair.
    transfers
        One per way of answering: all domains together.
    seeds
        Of the fits: what is dropped to balance, folds, held-out parts.
    setting
        What was measured on what.
    note
        Why there are no logits; empty where there are.
    """

    what: str
    domains: dict[str, str]
    cells: tuple[Cell, ...]
    transfers: tuple[Transfer, ...]
    seeds: tuple[int, ...]
    setting: dict[str, Any]
    note: str = ""

    def cell(self, way: str, fitted_on: str, tested_on: str) -> Cell:
        """Return one cell.

        Raises
        ------
        DataError
            When there is no such cell.
        """
        wanted = (way, fitted_on, tested_on)
        for cell in self.cells:
            if (cell.way, cell.fitted_on, cell.tested_on) == wanted:
                return cell
        raise DataError(
            f"There is no cell {wanted}.",
            mend=f"Ways: {', '.join(self.ways)}. Domains: {', '.join(self.domains)}.",
        )

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways of answering."""
        return tuple(dict.fromkeys(cell.way for cell in self.cells))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "study": self.what,
            "setting": self.setting,
            "seeds": list(self.seeds),
            "domains": self.domains,
            "transfers": [mean.as_dict() for mean in self.transfers],
            "cells": [cell.as_dict() for cell in self.cells],
            "note": self.note,
        }

    def tables(self) -> tuple[Sheet, ...]:
        """Return a matrix for each way of answering, and what transfer costs on average."""
        legend = tuple(f"{name}: {text}" for name, text in self.domains.items() if text != name)
        matrices = [self._matrix(way) for way in self.ways if way != MAJORITY]
        majorities = ", ".join(
            f"{name} {self.cell(MAJORITY, name, name).scores.majority:.1%}" for name in self.domains
        )
        notes = (*legend, f"Majority class: accuracy on {majorities}.", self.note)
        return (*matrices, self._summary(tuple(filter(None, notes))))

    def _matrix(self, way: str) -> Sheet:
        names = tuple(self.domains)
        # Raw logits are fitted on nothing: one line says it all.
        lines = names[:1] if way == BASE[0] else names
        rows = [
            (
                "any" if way == BASE[0] else fitted,
                *(_scored(self.cell(way, fitted, tested).scores) for tested in names),
            )
            for fitted in lines
        ]
        header = ("fitted on", *(f"tested on {name}" for name in names))
        return Sheet(f"{way}: balanced accuracy, % (95 %)", header, tuple(rows))

    def _summary(self, notes: tuple[str, ...]) -> Sheet:
        rows = []
        for mean in self.transfers:
            loss, worst = min(
                ((c.loss, c) for c in self.cells if c.loss and c.way == mean.way),
                key=lambda pair: pair[0].difference,
            )
            place = f"{loss.difference * 100:+.1f}, {worst.fitted_on} → {worst.tested_on}"
            means = (_scored(mean.anew), _scored(mean.taken_over))
            lost = signed(mean.loss.difference, mean.loss.interval)
            rows.append((SHORT[mean.way], *means, lost, place))
        header = ("", "re-probed", "transferred", "loss", "largest loss")
        title = "All domains together: balanced accuracy, % (95 %), and what transfer costs"
        return Sheet(title, header, tuple(rows), notes)


def _scored(scores: SeedScores) -> str:
    return with_interval(scores.balanced_accuracy, scores.balanced_accuracy_interval)


def cross(
    vlm: VLM,
    what: str,
    domains: Sequence[tuple[Domain, str]],
    *,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seeds: Sequence[int] = (0,),
    steps: Steps = silent,
) -> Crossing:
    """Fit on every domain and test on every domain.

    Parameters
    ----------
    vlm
        The whole model.
    what
        What the domains differ in.
    domains
        At least two of one task, each with what it stands for. No picture or group of a test set
        may be in a probing set of any; whoever calls sees to that.
    prompt, batch_size, seeds, steps
        How records are asked, records per forward pass, seeds of the fits, and what shows progress.

    Raises
    ------
    DataError
        Fewer than two domains, no seeds, pictures or labels that cannot be used.
    """
    if len(domains) < 2 or not seeds:
        raise DataError(
            f"{len(domains)} domains and {len(seeds)} seeds: there is nothing to cross.",
            mend="Give at least two domains and one seed.",
        )
    sets = [part for domain, _ in domains for part in (domain.probe, domain.test)]
    found = gather(vlm, sets, prompt=prompt, batch_size=batch_size, seed=seeds[0], steps=steps)
    names = [domain.name for domain, _ in domains]
    given = _answers(found, names, seeds, steps)
    cells = tuple(_cells(found, names, given))
    scored = [record for domain, _ in domains for record in domain.test]
    setting = setting_of(vlm, scored, 0, seeds[0], prompt)
    setting |= {"probing_records": [len(domain.probe) for domain, _ in domains]}
    legend = {domain.name: text for domain, text in domains}
    means = transfers([domain.test for domain, _ in domains], given, found.labels)
    return Crossing(what, legend, cells, means, tuple(seeds), setting, found.note())


def _answers(found: Gathered, names: Sequence[str], seeds: Sequence[int], steps: Steps) -> Given:
    """Labels for each seed by way, domain fitted on and domain tested on: one fit answers all."""
    tests = [found.places[2 * k + 1] for k in range(len(names))]
    ends = np.cumsum([len(test) for test in tests])[:-1]
    given: dict[tuple[str, int, int], list[list[str]]] = {}
    with steps("fitting read-outs") as told:
        for done, (fitted, seed) in enumerate(
            ((fitted, seed) for fitted in range(len(names)) for seed in seeds), start=1
        ):
            said = found.answers(found.places[2 * fitted], np.concatenate(tests), seed=seed)
            for way, labels in said.items():
                for tested, part in enumerate(np.split(np.array(labels, object), ends)):
                    given.setdefault((way, fitted, tested), []).append(part.tolist())
            told(done, len(names) * len(seeds))
    return given


def _cells(found: Gathered, names: Sequence[str], given: Given) -> list[Cell]:
    cells = []
    for (way, fitted, tested), answers in given.items():
        records, loss = found.records(2 * tested + 1), None
        scores = seed_scores(records, answers, labels=found.labels)
        if fitted != tested:
            own = given[way, tested, tested]
            loss = seed_difference(records, answers, own, labels=found.labels)
        cells.append(Cell(way, names[fitted], names[tested], scores, loss))
    return cells
