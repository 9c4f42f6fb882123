"""Answers turned into scored rows, each with the paper's beside it."""

from __future__ import annotations

from dataclasses import replace

from superneurons.evaluate.reproduction.candidates import Candidate, threshold_of
from superneurons.evaluate.reproduction.figures import Whole, figures_of, whole_of
from superneurons.evaluate.reproduction.paper_rows import PAPER, paper_task, printed_row
from superneurons.evaluate.reproduction.passes import Given
from superneurons.evaluate.reproduction.printed import Method, Metric, Printed, Scored
from superneurons.evaluate.reproduction.questions import Questions
from superneurons.evaluate.reproduction.reproduced import Way
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.evaluate.scoring import score_records
from superneurons.probes.text_only import TextOnly
from superneurons.task.groups import group_ids
from superneurons.task.unroll import roll_up
from superneurons.vlm.model import VLM

__all__ = ["Scorer"]

_IN_SAMPLE = "chosen and scored on the same questions"


class Scorer:
    """Scores answers to the questions of one reproduction.

    Parameters
    ----------
    asked
        The questions.
    vlm
        The model.
    settings
        With the paper's model decided.
    """

    def __init__(self, asked: Questions, vlm: VLM, settings: Settings) -> None:
        self._asked, self._vlm, self._seed = asked, vlm, settings.seed
        self._place = paper_task(settings.task), settings.row
        self._groups = {
            "probing": group_ids(asked.probe).tolist(),
            "validation": group_ids(asked.test).tolist(),
        }

    @property
    def paper(self) -> str:
        """Whose rows stand beside ours; "" for none."""
        task, model = self._place
        return "" if task is None or model is None else f"{PAPER}, {model} on {task}"

    def majority(self) -> Way:
        """Always what is most frequent among the test questions."""
        truth = [str(record.label) for record in self._asked.test]
        most = max(sorted(set(truth)), key=truth.count)
        given = Given([most] * len(truth))
        return self._way("majority", f'always "{most}"', given, "validation")

    def text_only(self) -> Way:
        """By the words of the question alone."""
        probe, test = self._asked.probe, self._asked.test
        model = TextOnly().fit(
            [record.question for record in probe], [str(record.label) for record in probe]
        )
        odds = model.predict_proba([record.question for record in test])[:, 1] - 0.5
        labels = [self._asked.classes[int(odd > 0)] for odd in odds]
        return self._way("text-only", "text only", Given(labels, odds), "validation")

    def generated(self, labels: list[str]) -> Way:
        """What the base model says in words."""
        way = self._way("base-generate", "base model, generates", Given(labels), "validation")
        lost = sum(label not in self._asked.classes for label in labels)
        note = f"{lost} of {len(labels)} answers name no label" if lost else ""
        return replace(
            way, exit_layer=self._vlm.n_layers, note=note, printed=self._printed("base", None)
        )

    def missing(self, why: str) -> Way:
        """Say why the base model's first token says nothing."""
        return Way(
            "base-first-token", "base model, first token", "validation", None,
            exit_layer=self._vlm.n_layers, note=why,
        )  # fmt: skip

    def of_candidate(self, candidate: Candidate, given: Given, scored_on: Scored) -> Way:
        """What a fitted candidate answered."""
        way = self._way(candidate.key, candidate.name, given, scored_on)
        last, n_layers = None, self._vlm.n_layers
        if candidate.site is not None:
            width = self._vlm.shape(candidate.site.kind)[1]
            last = int(candidate.decides.neurons_.max()) // width + 1
        exits = (
            n_layers if candidate.site is None else candidate.site.exit_layer(last or 0, n_layers)
        )
        threshold, margin = threshold_of(candidate)
        printed = None
        if candidate.method is not None:
            printed = self._printed(candidate.method, candidate.metric, scored_on)
        return replace(
            way, last_layer=last, exit_layer=exits, threshold=threshold, margin=margin,
            neurons=None if last is None else len(candidate.decides.neurons_), printed=printed,
            note=self._note(scored_on, last, printed),
        )  # fmt: skip

    def _note(self, scored_on: Scored, last_layer: int | None, printed: Printed | None) -> str:
        if scored_on == "probing" and last_layer is not None:
            return _IN_SAMPLE
        if printed is not None and printed.n_probe not in (None, len(self._asked.probe)):
            return f"the printed row is of {printed.n_probe} probing questions"
        return ""

    def _way(self, key: str, name: str, given: Given, scored_on: Scored) -> Way:
        questions = self._asked.test if scored_on == "validation" else self._asked.probe
        figures = figures_of(
            [str(record.label) for record in questions], given.labels,
            classes=self._asked.classes, groups=self._groups[scored_on], seed=self._seed,
        )  # fmt: skip
        whole = self._whole(given) if scored_on == "validation" else None
        return Way(key, name, scored_on, figures, whole)

    def _whole(self, given: Given) -> Whole | None:
        """Each whole question answered by its option with the strongest "yes"."""
        asked = self._asked
        if asked.unrolled is None or given.decisions is None:
            return None
        chosen = roll_up(given.decisions, asked.unrolled)
        return whole_of(score_records(asked.records, chosen, labels=asked.labels, seed=self._seed))

    def _printed(
        self, method: Method, metric: Metric | None, scored_on: Scored = "validation"
    ) -> Printed | None:
        task, model = self._place
        if task is None or model is None:
            return None
        return printed_row(task, model, method, metric=metric, scored_on=scored_on)
