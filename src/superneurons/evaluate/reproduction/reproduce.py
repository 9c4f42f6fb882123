"""Run a task as the paper does, and put its printed rows beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from superneurons.activations.capture import Captured
from superneurons.activations.site import Position, Site
from superneurons.evaluate.null import chance_maximum, shuffled_maximum
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.reproduction.candidates import Candidate, Candidates
from superneurons.evaluate.reproduction.measuring import measured_on, refuse_other
from superneurons.evaluate.reproduction.paper_rows import paper_model
from superneurons.evaluate.reproduction.passes import Passes, given_by
from superneurons.evaluate.reproduction.questions import Questions, questions_of
from superneurons.evaluate.reproduction.reproduced import Measured, Null, Reproduction, Way
from superneurons.evaluate.reproduction.settings import Settings, check_settings
from superneurons.evaluate.reproduction.sources import records_of
from superneurons.evaluate.reproduction.ways import Scorer
from superneurons.evaluate.rivals import BaseTask, base_task, generated_labels
from superneurons.probes.scores import neuron_scores
from superneurons.shortcut.reading import depth_read
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt

__all__ = ["reproduce", "reproduce_records"]

_LEVEL = 0.95
_STEPS = {"llava": 0.01}
_STEP = 0.001


def reproduce(
    settings: Settings,
    *,
    trust_remote_code: bool = False,
    steps: Steps = silent,
    expected: Measured | None = None,
) -> Reproduction:
    """Read the records, open the model, and run it as :func:`reproduce_records` does.

    Parameters
    ----------
    settings
        Everything that decides the figures.
    trust_remote_code
        Let code that comes with the model run; never a part of the settings, which may come from
        elsewhere.
    steps, expected
        As for :func:`reproduce_records`.

    Raises
    ------
    DataError, ModelError, MismatchError
        As for :func:`reproduce_records`; when records can't be read or the model can't be opened.

    Examples
    --------
    >>> found = reproduce(Settings("presence", n_probe=300))  # doctest: +SKIP
    >>> found.way("paper-accuracy-majority").figures.accuracy.value  # doctest: +SKIP
    0.97
    """
    check_settings(settings)
    asked = questions_of(*records_of(settings), settings)
    prompt = _prompt(settings)
    with steps("opening the model"):
        vlm = open_vlm(
            settings.model, revision=settings.revision, dtype=settings.dtype,
            device=settings.device, trust_remote_code=trust_remote_code,
        )  # fmt: skip
    return _Run(vlm, asked, _decided(settings, vlm), prompt, steps).found(expected)


def reproduce_records(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    settings: Settings,
    *,
    steps: Steps = silent,
    expected: Measured | None = None,
) -> Reproduction:
    """Run everything that the paper compares, and what it leaves out, on binary questions.

    The model runs once over the probing set and once over the test set. Only at the first generated
    token, and to generate, it runs again, as these begin where that pass ends.

    Parameters
    ----------
    vlm
        The whole model.
    probe, test
        Labelled records to find neurons on, and others to score on.
    settings
        What is run; what it leaves open is decided by the model.
    steps
        Shows progress.
    expected
        Refuse anything else than this was measured on, before the model runs.

    Raises
    ------
    DataError
        When pictures, labels or settings cannot be used, or both share a picture.
    ModelError
        When the model has no such layer.
    MismatchError
        When something else was ``expected``.

    Notes
    -----
    "Taking Shortcuts for Categorical VQA Using Super Neurons" (arXiv 2603.10781), sections 3 and 4.
    """
    check_settings(settings)
    asked = questions_of(probe, test, settings)
    return _Run(vlm, asked, _decided(settings, vlm), _prompt(settings), steps).found(expected)


def _prompt(settings: Settings) -> Prompt:
    return Prompt(settings.prompt_order, settings.prompt_template)


def _decided(settings: Settings, vlm: VLM) -> Settings:
    """Decide by the model what is left open, and refuse layers that it doesn't have."""
    for kind in ("residual", "heads"):
        depth_read(vlm, Site(kind), settings.max_layer)
    row = settings.row or paper_model(vlm.family.name, vlm.n_layers, vlm.hidden_size)
    step = settings.margin_step or _STEPS.get((row or "").split("-")[0], _STEP)
    return replace(settings, row=row, margin_step=step)


@dataclass(frozen=True)
class _Run:
    """One model on drawn questions."""

    vlm: VLM
    asked: Questions
    settings: Settings
    prompt: Prompt
    steps: Steps

    def found(self, expected: Measured | None) -> Reproduction:
        asked, settings = self.asked, self.settings
        base = base_task(self.vlm, asked.probe, asked.classes)
        measured = measured_on(self.vlm, asked, base, self.prompt)
        if expected is not None:
            refuse_other(expected, measured)
        sites = [*(Site(position=position) for position in settings.positions), Site("heads")]
        passes = Passes(
            self.vlm, sites, base.words, self.prompt, settings.batch_size, settings.max_layer,
            self.steps,
        )  # fmt: skip
        known = passes.kept(asked.probe, "probing set")
        fitted = Candidates(
            self.vlm, asked.probe, known, margin_step=settings.margin_step or _STEP,
            seed=settings.seed,
        )  # fmt: skip
        candidates = self._fit(fitted, base)
        with self.steps("null"):
            nulls = tuple(self._null(known, fitted, at) for at in settings.positions)
        scorer = Scorer(asked, self.vlm, settings)
        ways = (
            *self._rivals(scorer, base),
            *self._answered(scorer, passes, candidates),
            *(
                scorer.of_candidate(candidate, given_by(candidate, known), "probing")
                for candidate in candidates
                if candidate.in_sample
            ),
        )
        return Reproduction(settings, measured, scorer.paper, nulls, ways)

    def _fit(self, fitted: Candidates, base: BaseTask) -> list[Candidate]:
        found: list[Candidate] = []
        with self.steps("fitting"):
            if base.words is not None:
                found += fitted.of_logits()
            for position in self.settings.positions:
                found += fitted.of_neurons(position)
            found.append(fitted.of_heads())
        return found

    def _null(self, known: Captured, fitted: Candidates, position: Position) -> Null:
        X, positive = known.at(Site(position=position)).flat, fitted.y == fitted.classes[1]
        maxima = shuffled_maximum(
            X, positive, self.settings.shuffles, groups=fitted.groups, seed=self.settings.seed
        )
        n, p = X.shape
        best, null = float(np.max(neuron_scores(X, positive))), float(np.quantile(maxima, _LEVEL))
        return Null(position, p, n, best, null, chance_maximum(n, p))

    def _rivals(self, scorer: Scorer, base: BaseTask) -> Iterator[Way]:
        """What reads no activations."""
        yield scorer.majority()
        yield scorer.text_only()
        if self.settings.generate:
            with self.steps("base model generates") as told:
                labels = generated_labels(
                    self.vlm, base, self.asked.test, self.asked.classes, prompt=self.prompt,
                    batch_size=self.settings.batch_size, progress=told,
                )  # fmt: skip
            yield scorer.generated(labels)
        if base.words is None:
            yield scorer.missing(base.why_not)

    def _answered(
        self, scorer: Scorer, passes: Passes, candidates: Sequence[Candidate]
    ) -> Iterator[Way]:
        given = passes.answered(self.asked.test, candidates, "test set")
        for candidate in candidates:
            yield scorer.of_candidate(candidate, given[candidate.key], "validation")
