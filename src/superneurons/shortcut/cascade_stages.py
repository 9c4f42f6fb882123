"""The stages of a cascade: what each reads, what it answers, how they are fitted and parted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.site import Neuron, Site, neurons_of
from superneurons.errors import DataError, Problem
from superneurons.probes.base import ReadOut
from superneurons.probes.logits import CalibratedLogits
from superneurons.shortcut.checks import check_values, usable_read_out
from superneurons.shortcut.form import Form, answered
from superneurons.shortcut.probing import ProbingSet
from superneurons.shortcut.reading import fit_to_site
from superneurons.task.groups import groups_per_label
from superneurons.task.record import Record
from superneurons.task.split import grouped_split
from superneurons.vlm.model import VLM

__all__ = ["SITE", "Answer", "Outcome", "Stage", "fit_base", "fit_stage", "outcome", "three_parts"]

SITE = Site()
"""What stages read: the residual stream at the last prompt token."""

Answer = tuple[str, dict[str, float]]
"""A label, and a probability for each label."""

_LEAST_GROUPS = 4
_VERIFIED, _CHOOSING = 0.25, 1 / 3


@dataclass(frozen=True)
class Stage:
    """One place where a cascade can stop.

    Parameters
    ----------
    layer
        Decoder layers that run before it answers.
    read_out
        A fitted one over ``neurons``, or over the label logits.
    neurons
        What it reads; empty for the base model's own answer.
    threshold
        It answers where its confidence is at least this. 0: always; infinity: never.
    """

    layer: int
    read_out: ReadOut
    neurons: tuple[Neuron, ...] = ()
    threshold: float = 0.0

    @property
    def is_base(self) -> bool:
        """Whether it is the base model's own answer."""
        return not self.neurons

    def take(self, activations: NDArray[Any], asked: Sequence[Record]) -> NDArray[Any]:
        """Take what it reads, shape (N, K), out of activations (N, L, W) of its layers or more.

        Raises
        ------
        DataError
            When an activation is no finite number.
        """
        layers = np.array([neuron.layer for neuron in self.neurons])
        X = activations[:, layers - 1, [neuron.index for neuron in self.neurons]]
        check_values(X, layers, asked)
        return np.asarray(X)


@dataclass(frozen=True)
class Outcome:
    """What every stage answers to N records.

    Parameters
    ----------
    records
        The records.
    labels
        For each stage N labels.
    confidence
        Shape (N, S): the largest probability.
    """

    records: tuple[Record, ...]
    labels: tuple[tuple[str, ...], ...]
    confidence: NDArray[np.float64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the stage's label is the record's, shape (N, S)."""
        truth = np.array([record.label for record in self.records], dtype=object)
        return np.array([np.array(given, dtype=object) == truth for given in self.labels]).T


def outcome(
    stages: Sequence[Stage],
    records: Sequence[Record],
    values: Sequence[NDArray[Any]],
    form: Form,
    labels: Sequence[str],
) -> Outcome:
    """Answer records at every stage.

    Parameters
    ----------
    stages
        S of them.
    records
        N records as they were given.
    values
        For each stage what it reads, shape (N, K).
    form, labels
        As for :func:`~superneurons.shortcut.form.answered`.
    """
    found = [
        answered(records, X, stage.read_out, form, labels)
        for stage, X in zip(stages, values, strict=True)
    ]
    return Outcome(
        tuple(records),
        tuple(tuple(label for label, _ in answers) for answers in found),
        np.array([[max(shares.values()) for _, shares in answers] for answers in found]).T,
    )


def fit_stage(
    vlm: VLM,
    layer: int,
    activations: NDArray[Any],
    probing: ProbingSet,
    *,
    read_out: str,
    read_out_params: Mapping[str, Any] | None,
    seed: int,
) -> Stage:
    """Fit a read-out on the layers up to one.

    Parameters
    ----------
    vlm
        The model they were captured from.
    layer
        Deepest layer that is read.
    activations
        Shape (N, L, W), of N questions of the probing set.
    probing
        Those questions with their labels.
    read_out, read_out_params, seed
        Its name, parameters and random state. Where it would choose among the layers by itself
        (``tolerance``), it reads them all instead: the stage runs them anyway.

    Raises
    ------
    DataError
        When the read-out cannot learn this, or an activation is no finite number.
    """
    given = dict(read_out_params or {})
    if "tolerance" in usable_read_out(read_out, None).get_params():
        given = {"tolerance": None, **given}
    fresh = usable_read_out(read_out, given)
    width = activations.shape[2]
    X = activations[:, :layer].reshape(len(activations), -1)
    check_values(X, np.arange(X.shape[1]) // width + 1, probing.records)
    fit_to_site(fresh, vlm, SITE, seed=seed, given=given.keys())
    fresh.fit(X, probing.y, groups=probing.groups)
    return Stage(layer, fresh.compact(), tuple(neurons_of(fresh.neurons_, width)))


def fit_base(vlm: VLM, logits: NDArray[Any], probing: ProbingSet) -> Stage:
    """Fit the last resort: the base model's label logits (N, C), calibrated."""
    return Stage(vlm.n_layers, CalibratedLogits().fit(logits, probing.y, groups=probing.groups))


def three_parts(
    probing: ProbingSet, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Part a probing set in three, keeping groups whole and every label in each part.

    Parameters
    ----------
    probing
        N questions, one for each record.
    seed
        Another seed draws other parts.

    Returns
    -------
    fit, choose, verify : ndarray of int64
        Indices, ascending: half of the records, a quarter and a quarter.

    Raises
    ------
    DataError
        When a label has too few records, or groups mix the labels too much.
    """
    counts = groups_per_label(probing.y.tolist(), probing.groups)
    few = [
        Problem(f"label {label!r}", f"in {n} group" + "s" * (n != 1))
        for label, n in counts.items()
        if n < _LEAST_GROUPS
    ]
    if few:
        raise DataError(
            f"Too few records for a cascade: each label needs {_LEAST_GROUPS} groups (pictures), "
            "two to fit on, one to choose thresholds and one to verify them.",
            problems=few,
            mend="Label more pictures (some hundred make thresholds that hold), or fit a "
            "classifier with one exit.",
        )
    rest, verify = grouped_split(probing.records, test_size=_VERIFIED, seed=seed)
    kept = [probing.records[index] for index in rest]
    fit, choose = grouped_split(kept, test_size=_CHOOSING, seed=seed)
    return rest[fit], rest[choose], verify
