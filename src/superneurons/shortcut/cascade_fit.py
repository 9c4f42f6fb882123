"""Fit a cascade on captured activations: stages on one part, thresholds on another, then verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured
from superneurons.errors import DataError, ModelError, Problem
from superneurons.shortcut.cascade_depths import depth_profile, stage_layers
from superneurons.shortcut.cascade_stages import (
    SITE,
    Outcome,
    Stage,
    fit_base,
    fit_stage,
    outcome,
    three_parts,
)
from superneurons.shortcut.cascade_thresholds import Choice, choose_thresholds, stopped_at
from superneurons.shortcut.checks import check_shape
from superneurons.shortcut.probing import ProbingSet
from superneurons.task.record import Record
from superneurons.task.unroll import balance
from superneurons.vlm.model import VLM

__all__ = ["FittedCascade", "Plan", "Verified", "fit_cascade"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cascade is to be.

    Parameters
    ----------
    layers
        Where it may stop; ``None``: chosen from how much each number of layers knows.
    target
        Wanted accuracy; ``None``: that of going to the end.
    costs
        Cost of a record that stops at each stage, the base model's answer last; ``None``: the
        layers that run.
    base_answer
        Whether the base model's own answer is the last resort.
    caution
        Standard errors above the target that are wanted where thresholds are chosen.
    read_out, read_out_params
        What is fitted at each stage.
    balanced
        Whether stages are fitted on as many records of each label.
    seed
        Of everything that is drawn.
    """

    layers: tuple[int, ...] | None = None
    target: float | None = None
    costs: tuple[float, ...] | None = None
    base_answer: bool = True
    caution: float = 1.0
    read_out: str = "super-neurons"
    read_out_params: Mapping[str, Any] | None = None
    balanced: bool = True
    seed: int = 0

    def check(self) -> None:
        """Refuse what can't be, before a model is opened.

        Raises
        ------
        DataError
            Lists every problem.
        """
        problems = []
        if self.layers is not None:
            rising = all(a < b for a, b in pairwise(self.layers))
            if not self.layers or not rising or self.layers[0] < 1:
                what = f"{list(self.layers)} are not layers from 1 on, each deeper than the last"
                problems.append(Problem("layers", what))
        if self.target is not None and not 0 < self.target <= 1:
            problems.append(
                Problem("target_accuracy", f"{self.target} is not above 0 and at most 1")
            )
        if not 0 <= self.caution < np.inf:
            problems.append(Problem("caution", f"{self.caution} is not 0 or more"))
        if self.costs is not None:
            problems += self._cost_problems(self.costs)
        if problems:
            raise DataError(
                "There is no such cascade.",
                problems=problems,
                mend="Give layers such as [5, 12], a target such as 0.95, and costs from the "
                "first stage to the last.",
            )

    def _cost_problems(self, costs: Sequence[float]) -> list[Problem]:
        if self.layers is None:
            return [Problem("costs", "belong to layers, but no layers are given")]
        wanted = len(self.layers) + self.base_answer
        problems = []
        if len(costs) != wanted:
            last = ", the base model's answer last" if self.base_answer else ""
            problems.append(Problem("costs", f"{len(costs)}, should be {wanted}{last}"))
        if not all(0 <= a < np.inf for a in costs) or any(a > b for a, b in pairwise(costs)):
            problems.append(Problem("costs", f"{list(costs)} fall, are negative or not finite"))
        return problems

    def deepest(self, n_layers: int) -> int:
        """Layers that have to run to fit it.

        Raises
        ------
        ModelError
            When a stage is deeper than the model.
        """
        if self.layers is not None and self.layers[-1] > n_layers:
            raise ModelError(
                f"The cascade stops at layer {self.layers[-1]}, but the model has {n_layers}.",
                where=f"layer {self.layers[-1]}",
                mend=f"Choose layers from 1 to {n_layers}.",
            )
        return n_layers if self.base_answer or self.layers is None else self.layers[-1]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a cascade does on records that neither fitted it nor chose its thresholds.

    Parameters
    ----------
    records
        How many.
    accuracy
        Share of right answers.
    wanted
        The target; where none was given, the accuracy of going to the end on these records.
    cost
        Mean cost of a record.
    shares
        Share of the records that each stage answers.
    """

    records: int
    accuracy: float
    wanted: float
    cost: float
    shares: tuple[float, ...]

    @property
    def held(self) -> bool:
        """Whether the accuracy is no lower than wanted."""
        return self.accuracy >= self.wanted - 1e-9


@dataclass(frozen=True)
class FittedCascade:
    """A cascade, and how it came about.

    Parameters
    ----------
    stages
        With their thresholds; the last one answers all that reach it.
    costs
        Cost of a record that stops at each.
    choice
        The thresholds on the records that chose them.
    end
        The stage that an unspoken target follows; ``None`` where a target was given.
    outcome
        What every stage answers on the records that verify it.
    sizes
        Records that were fitted on, chose and verify.
    """

    stages: tuple[Stage, ...]
    costs: tuple[float, ...]
    choice: Choice
    end: int | None
    outcome: Outcome
    sizes: dict[str, int]

    @property
    def verified(self) -> Verified:
        """The sum of it."""
        right, stops = self.outcome.right, self.stops
        n = len(stops)
        wanted = self.choice.target if self.end is None else float(right[:, self.end].mean())
        counts = np.bincount(stops, minlength=len(self.stages))
        return Verified(
            records=n,
            accuracy=float(right[np.arange(n), stops].mean()),
            wanted=wanted,
            cost=float(counts @ np.array(self.costs) / n),
            shares=tuple((counts / n).tolist()),
        )

    @property
    def stops(self) -> NDArray[np.int64]:
        """The stage that answers each record that verifies it, shape (N,)."""
        return stopped_at(self.outcome.confidence, self.choice.thresholds)


def fit_cascade(
    vlm: VLM, records: Sequence[Record], probing: ProbingSet, captured: Captured, plan: Plan
) -> FittedCascade:
    """Fit a cascade.

    Parameters
    ----------
    vlm
        The model that was captured from.
    records
        N labelled records.
    probing
        The N questions asked for them.
    captured
        Their activations at :data:`~superneurons.shortcut.cascade_stages.SITE`, and their label
        logits where the base model's answer is the last resort.
    plan
        What it is to be; checked.

    Raises
    ------
    DataError
        Too few records, or what a read-out can't learn.
    MismatchError
        When the activations are not those of the probing set.
    """
    activations = captured.at(SITE).activations
    deepest, width = plan.deepest(vlm.n_layers), vlm.shape(SITE.kind)[1]
    check_shape(activations, n=len(probing.records), layers=deepest, width=width)
    fit, choose, verify = three_parts(probing, seed=plan.seed)
    if plan.balanced:
        kept = [probing.records[index] for index in fit]
        fit = fit[balance(kept, np.random.default_rng(plan.seed))]
    stages = _stages(vlm, _some(probing, fit), captured.rows(fit), plan)
    chosen = _answers(stages, choose, records, probing, captured)
    costs = plan.costs or tuple(float(stage.layer) for stage in stages)
    accuracies = chosen.right.mean(axis=0)
    ends = range(max(0, len(stages) - 1 - plan.base_answer), len(stages))
    end = max(ends, key=lambda stage: (accuracies[stage], -stage))
    target = float(accuracies[end]) if plan.target is None else plan.target
    choice = choose_thresholds(
        chosen.confidence, chosen.right, costs,
        target=target, end=end if plan.target is None else None, caution=plan.caution,
    )  # fmt: skip
    thresholds = (*choice.thresholds, 0.0)
    return FittedCascade(
        stages=tuple(
            replace(stage, threshold=threshold)
            for stage, threshold in zip(stages, thresholds, strict=True)
        ),
        costs=costs,
        choice=choice,
        end=end if plan.target is None else None,
        outcome=_answers(stages, verify, records, probing, captured),
        sizes={"fitted_on": len(fit), "chosen_on": len(choose), "verified_on": len(verify)},
    )


def _answers(
    stages: Sequence[Stage],
    rows: NDArray[np.int64],
    records: Sequence[Record],
    probing: ProbingSet,
    captured: Captured,
) -> Outcome:
    """Answer some of the records at every stage."""
    asked = [probing.records[index] for index in rows]
    part = captured.rows(rows)
    values = [
        _logits(part) if stage.is_base else stage.take(part.at(SITE).activations, asked)
        for stage in stages
    ]
    given = [records[index] for index in rows]
    return outcome(stages, given, values, probing.form, probing.labels)


def _stages(vlm: VLM, own: ProbingSet, captured: Captured, plan: Plan) -> list[Stage]:
    activations = captured.at(SITE).activations
    layers = plan.layers
    if layers is None:
        profile = depth_profile(activations, own.y, own.groups, seed=plan.seed)
        layers = stage_layers(profile, own.y)
    stages = [
        fit_stage(
            vlm, layer, activations, own,
            read_out=plan.read_out, read_out_params=plan.read_out_params, seed=plan.seed,
        )
        for layer in layers
    ]  # fmt: skip
    return [*stages, fit_base(vlm, _logits(captured), own)] if plan.base_answer else stages


def _logits(captured: Captured) -> NDArray[np.float32]:
    if captured.label_logits is None:
        raise DataError(
            "No label logits were captured.",
            where="base_answer",
            mend="Capture with label words, or do without the base model's answer.",
        )
    return captured.label_logits


def _some(probing: ProbingSet, rows: NDArray[np.int64]) -> ProbingSet:
    """Some of the questions as a probing set, all classes among them."""
    own = replace(probing, records=tuple(probing.records[i] for i in rows), n=len(rows))
    missing = sorted(set(probing.y.tolist()) - set(own.y.tolist()))
    if missing:
        raise DataError(
            f"No record to fit on has the answer {', '.join(map(repr, missing))}.",
            mend="Label more pictures with it, or take another seed.",
        )
    return own
