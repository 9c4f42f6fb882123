"""Ways of answering, collected with their answers and turned into rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from superneurons.activations.site import Site
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison, Lead, Row
from superneurons.evaluate.contest import Contest, Fitted
from superneurons.evaluate.controls import BestNeuron, best_neuron, random_control, shuffled_control
from superneurons.evaluate.paired import mcnemar, paired_difference
from superneurons.evaluate.recommendation import Contestant, Kind, recommend
from superneurons.evaluate.scoring import as_classes, score_records
from superneurons.shortcut.form import Form
from superneurons.shortcut.timing import Timing
from superneurons.task.groups import group_ids

__all__ = ["CALIBRATED", "LENS", "Entrant", "Entrants"]

LENS = {False: "logit lens, raw", True: "logit lens, calibrated"}
CALIBRATED = "calibrated logits"


@dataclass(frozen=True, slots=True)
class Entrant:
    """One way of answering, before it is timed."""

    name: str
    kind: Kind | None
    answers: Answers | None
    exit_layer: int | None = None
    neurons: int | None = None
    note: str = ""
    best: BestNeuron | None = None


class Entrants:
    """Collects ways of answering, and turns them into a comparison.

    Parameters
    ----------
    contest
        What answers.
    shuffles
        Label shuffles behind the null maximum.
    """

    def __init__(self, contest: Contest, shuffles: int) -> None:
        self.contest = contest
        self.shuffles = shuffles
        self.entrants: list[Entrant] = []
        self.fits: list[Fitted] = []
        self.lens_layers: dict[bool, int] = {}
        self._best: dict[tuple[Form, Site], BestNeuron | None] = {}

    def add(self, name: str, kind: Kind | None, answers: Answers | None, **more: Any) -> None:
        """Add one way of answering; takes what :class:`Entrant` takes."""
        self.entrants.append(Entrant(name, kind, answers, **more))

    def rivals(self) -> None:
        """Add what needs no fitted read-out of activations."""
        contest, whole = self.contest, self.contest.vlm.n_layers
        self.add("majority class", None, contest.majority())
        self.add("text only", "text", contest.text_only())
        if contest.logits is None:
            self.add(FIRST_TOKEN, None, None, exit_layer=whole, note=contest.base.why_not)
            return
        self.add(FIRST_TOKEN, "base", contest.by_logits(calibrated=False), exit_layer=whole)
        self.add(CALIBRATED, "calibrated", contest.by_logits(calibrated=True), exit_layer=whole)
        for calibrated, name in LENS.items():
            answers, layer = contest.by_lens(calibrated=calibrated)
            self.lens_layers[calibrated] = layer
            self.add(name, "lens", answers, exit_layer=layer)

    def fitted(self, fit: Fitted) -> None:
        """Add a read-out."""
        contest, entry, classifier = self.contest, fit.entry, fit.classifier
        pool, place = contest.pool(entry), (contest.pool(entry).form, entry.site)
        if place not in self._best:
            self._best[place] = best_neuron(
                pool, entry.site, contest.parts[0].train, shuffles=self.shuffles, seed=contest.seed
            )
        self.fits.append(fit)
        self.add(
            entry.name, entry.kind, fit.answers, exit_layer=classifier.exit_layer_,
            neurons=len(classifier.neurons_), best=self._best[place],
        )  # fmt: skip

    def controls(self) -> dict[str, float]:
        """What chance gives the first read-out."""
        contest, fit = self.contest, self.fits[0]
        pool, part = contest.pool(fit.entry), contest.parts[0]
        found = {
            "balanced accuracy with shuffled labels": shuffled_control(
                pool, contest.parts, site=fit.entry.site, seed=contest.seed
            )
        }
        if fit.entry.read_out == "super-neurons":
            found["balanced accuracy of as many random neurons"] = random_control(
                fit.classifier, pool, part, site=fit.entry.site, seed=contest.seed
            )
        return found

    def comparison(
        self, timings: Mapping[str, Timing], setting: dict[str, Any], null: dict[str, float]
    ) -> Comparison:
        """Score and pair all of them, and recommend one.

        Parameters
        ----------
        timings
            Of one record, by name.
        setting, null
            As in the comparison.
        """
        contest = self.contest
        first = next(e.answers for e in self.entrants if e.name == self.fits[0].entry.name)
        if FIRST_TOKEN in timings and contest.base.words is not None:
            timings = {**timings, CALIBRATED: timings[FIRST_TOKEN]}
        rows = tuple(self._row(entrant, first, timings) for entrant in self.entrants)
        truth, _, classes = as_classes(contest.test, [""] * len(contest.test), contest.labels)
        contestants = [
            Contestant(e.name, e.kind, self._classes(e.answers), _median(timings.get(e.name)))
            for e in self.entrants
            if e.kind is not None and e.answers is not None
        ]
        groups = group_ids(contest.test).tolist()
        advice = recommend(truth, contestants, classes=classes, groups=groups, seed=contest.seed)
        return Comparison(rows, setting, null, advice, contest.test)

    def _classes(self, answers: Answers) -> list[str]:
        return as_classes(self.contest.test, answers.labels, self.contest.labels)[1]

    def _row(self, entrant: Entrant, first: Answers | None, timings: Mapping[str, Timing]) -> Row:
        scores = lead = None
        if entrant.answers is not None:
            scores = score_records(
                self.contest.test, entrant.answers.labels, labels=self.contest.labels,
                probabilities=entrant.answers.probabilities, seed=self.contest.seed,
            )  # fmt: skip
            if first is not None and entrant.answers is not first:
                lead = self._lead(first, entrant.answers)
        row = Row(
            entrant.name, scores, entrant.exit_layer, entrant.neurons, timings.get(entrant.name),
            entrant.note, lead=lead, agreement=self._agreement(entrant.answers),
            answers=entrant.answers,
        )  # fmt: skip
        if entrant.best is None:
            return row
        best, null = entrant.best.accuracy, entrant.best.null_maximum
        return replace(row, best_neuron=best, null_maximum=null)

    def _agreement(self, answers: Answers | None) -> float | None:
        base = next((e.answers for e in self.entrants if e.name == FIRST_TOKEN), None)
        if answers is None or base is None or answers is base:
            return None
        return float(np.mean(np.array(answers.labels) == np.array(base.labels)))

    def _lead(self, first: Answers, other: Answers) -> Lead:
        contest = self.contest
        truth, ours, classes = as_classes(contest.test, first.labels, contest.labels)
        theirs = self._classes(other)
        difference = paired_difference(
            truth, ours, theirs, classes=classes, groups=group_ids(contest.test).tolist(),
            seed=contest.seed,
        )  # fmt: skip
        right = np.array(truth)
        return Lead(difference, mcnemar(np.array(ours) == right, np.array(theirs) == right))


def _median(timing: Timing | None) -> float | None:
    return None if timing is None else timing.median
