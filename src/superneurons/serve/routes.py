"""How each kind of job is asked, and where it may stop."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from superneurons.errors import DataError, Problem
from superneurons.serve.jobs import Depth, Job
from superneurons.serve.spelling import Speller
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_run import live_stages
from superneurons.shortcut.cascade_stages import SITE, Stage
from superneurons.shortcut.estimator import Estimator
from superneurons.shortcut.form import Form, questions_each
from superneurons.task.lettered import LETTERS
from superneurons.task.record import Record
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Route", "Stop", "base_route", "route_of"]


@dataclass(frozen=True)
class Stop:
    """One place where a job may get its answer.

    Parameters
    ----------
    layer
        Decoder layers that run before it.
    stage
        What answers there; ``None``: the base model's logits as they are.
    threshold
        It answers where its confidence is at least this.
    depth
        What clients are told.
    """

    layer: int
    stage: Stage | None
    threshold: float
    depth: Depth

    @property
    def reads_logits(self) -> bool:
        """Whether the whole model and its head run for it."""
        return self.stage is None or self.stage.is_base


@dataclass(frozen=True, eq=False)
class Route:
    """How jobs for one classifier, or for the base model, are asked and answered.

    Parameters
    ----------
    name
        The classifier's; ``None`` for the base model.
    estimator
        What was fitted; ``None`` for the base model.
    vlm
        The model as it sees with it.
    prompt, form, labels, question
        How it asks. Without ``question`` and ``labels``, jobs bring theirs.
    stops
        From the shallowest; the last answers all that reach it.
    sure
        Confidence below which another service is asked, if there is one.
    shared
        Whether it reads the last prompt token's residual stream, so that it can share a pass.
    lane
        Jobs of one lane can share a batch.
    """

    name: str | None
    estimator: Estimator | None
    vlm: VLM
    prompt: Prompt
    form: Form
    labels: tuple[str, ...]
    question: str | None
    stops: tuple[Stop, ...]
    sure: float
    shared: bool
    lane: tuple[Hashable, ...]

    @property
    def deepest(self) -> int:
        """Decoder layers that run for it before any escalation."""
        return max(s.layer for s in self.stops if s.stage is not None)

    @property
    def swift(self) -> bool:
        """Whether its first stop has a recorded pass of its own, faster than a shared one."""
        return not self.shared or (
            not isinstance(self.estimator, Cascade | None) and self.vlm.device.type == "cuda"
        )

    def record(self, job: Job) -> Record:
        """Return a job as a record.

        Raises
        ------
        DataError
            When it cannot be asked this; lists every problem.
        """
        problems = [Problem(where, what) for where, what in self._problems(job)]
        if problems:
            who = "the base model" if self.name is None else f"the classifier {self.name!r}"
            raise DataError(
                f"This cannot be asked of {who}.",
                problems=problems,
                mend="See what /v1/models says of its question and answers.",
            )
        own = job.options if job.options and not self._fixed(job) else None
        return Record(job.pictures, self.question or job.question or "", options=own)

    def _fixed(self, job: Job) -> bool:
        """Whether options say nothing new."""
        return bool(self.labels) and set(job.options or ()) == set(self.labels)

    def _problems(self, job: Job) -> list[tuple[str, str]]:
        found = []
        options = job.options or ()
        if not job.pictures:
            found.append(("pictures", "none"))
        if self.question is None and not (job.question or "").strip():
            found.append(("question", "none"))
        if self.question is not None and job.question not in (None, self.question):
            found.append(("question", f"{job.question!r}; it asks {self.question!r}"))
        if len(set(options)) < len(options) or not all(option.strip() for option in options):
            found.append(("options", f"empty, or twice the same, among {list(options)}"))
        if not self.labels and not 2 <= len(options) <= len(LETTERS):
            found.append(("options", f"{len(options)}, should be 2 to {len(LETTERS)}"))
        unknown = sorted(set(options) - set(self.labels)) if self.labels else []
        if unknown:
            found.append(("options", f"{unknown}; it answers {list(self.labels)}"))
        return found

    def questions(self, record: Record) -> int:
        """Return how many rows of a batch a record takes."""
        return questions_each([record], self.form, self.labels)


def route_of(
    name: str, estimator: Estimator, speller: Speller | None, threshold: float | None
) -> Route:
    """Say how a classifier is asked and where it may stop.

    Parameters
    ----------
    name
        What clients call it.
    estimator
        A fitted one.
    speller
        Of the base model whose logits are there to go on to; ``None``: they aren't.
    threshold
        Confidence below which it goes on to them; ``None``: never.
    """
    vlm, labels = estimator.vlm, tuple(map(str, estimator.classes_.tolist()))
    goes_on = (
        speller is not None
        and threshold is not None
        and estimator.form_ != "unrolled"
        and speller.words(labels or _letters(estimator)) is not None
    )
    shared = isinstance(estimator, Cascade) or (
        estimator.site_ == SITE and estimator.acceleration != "off" and lean_of(vlm) is not None
    )
    return Route(
        name=name, estimator=estimator, vlm=vlm, prompt=estimator.prompt,
        form=estimator.form_, labels=labels, question=estimator.question_,
        stops=_stops(estimator, threshold or 0.0, vlm.n_layers if goes_on else None),
        sure=threshold or 0.0, shared=shared,
        lane=(estimator.prompt, vlm.resolution, None if shared else name),
    )  # fmt: skip


def _letters(estimator: Estimator) -> tuple[str, ...]:
    """What the read-out tells apart where jobs bring their options."""
    first = estimator.stages_[0] if isinstance(estimator, Cascade) else None
    read_out: Any = estimator.read_out_ if first is None else first.read_out
    return tuple(map(str, read_out.classes_.tolist()))


def _stops(estimator: Estimator, threshold: float, base_layer: int | None) -> tuple[Stop, ...]:
    if isinstance(estimator, Cascade):
        live = [estimator.stages_[number] for number in live_stages(estimator.stages_)]
    else:
        live = [Stage(estimator.exit_layer_, estimator.read_out_, tuple(estimator.neurons_))]
    goes_on = base_layer is not None and not live[-1].is_base
    limits = [stage.threshold for stage in live[:-1]] + [threshold if goes_on else 0.0]
    stops = [
        Stop(stage.layer, stage, limit, _depth(number, stage))
        for number, (stage, limit) in enumerate(zip(live, limits, strict=True))
    ]
    if goes_on:
        stops.append(Stop(base_layer or 0, None, 0.0, "base"))
    return tuple(stops)


def _depth(number: int, stage: Stage) -> Depth:
    if stage.is_base:
        return "base"
    return "deeper" if number else "exit"


def base_route(vlm: VLM) -> Route:
    """Say how the whole base model is asked, whatever the question."""
    return Route(
        name=None, estimator=None, vlm=vlm, prompt=Prompt(), form="direct", labels=(),
        question=None, stops=(Stop(vlm.n_layers, None, 0.0, "base"),), sure=0.0, shared=True,
        lane=(Prompt(), vlm.resolution, None),
    )  # fmt: skip
