"""Every way of answering from one pass of the model, fitted on the probing set."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured
from superneurons.activations.site import Position, Site
from superneurons.evaluate.reproduction.printed import Method, Metric
from superneurons.probes.base import ReadOut
from superneurons.probes.logits import CalibratedLogits, LabelLogits
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.registry import make_read_out
from superneurons.probes.scores import neuron_scores
from superneurons.shortcut.reading import fit_to_site
from superneurons.task.groups import group_ids
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

__all__ = ["Candidate", "Candidates", "SingleNeuron", "threshold_of"]


class _Decides(Protocol):
    """What answers binary questions from columns; every read-out does."""

    neurons_: NDArray[np.int64]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Shape (N,), higher for the positive answer."""

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels of shape (N,)."""


class SingleNeuron:
    """One neuron under the sign rule: positive where its activation is above 0.

    Parameters
    ----------
    column
        Which of the columns of ``X``.
    classes
        The two answers.

    Examples
    --------
    >>> SingleNeuron(1, ("no", "yes")).predict(np.array([[1.0, -1.0], [1.0, 2.0]])).tolist()
    ['no', 'yes']
    """

    def __init__(self, column: int, classes: Sequence[str]) -> None:
        self.neurons_ = np.array([column])
        self.classes_ = np.array(classes)

    def decision_function(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """The activations, shape (N,)."""
        return X[:, self.neurons_[0]].astype(np.float64)

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Labels of shape (N,)."""
        return self.classes_[(self.decision_function(X) > 0).astype(np.int64)]


@dataclass(frozen=True)
class Candidate:
    """A way of answering, fitted.

    Parameters
    ----------
    key, name
        What it is, for programs and for people.
    site
        What it reads; ``None`` for the logits of the label words.
    decides
        What answers.
    method, metric
        What the paper calls it, where it has it.
    in_sample
        Whether it is scored on the probing set, too, as Table 1 does.
    """

    key: str
    name: str
    site: Site | None
    decides: _Decides
    method: Method | None = None
    metric: Metric | None = None
    in_sample: bool = False

    def columns(self, captured: Captured) -> NDArray[Any]:
        """Return what it reads of captured questions, shape (N, P)."""
        if self.site is None:
            assert captured.label_logits is not None
            return captured.label_logits
        return captured.at(self.site).flat


class Candidates:
    """Fits them on a probing set.

    Parameters
    ----------
    vlm
        The model.
    records
        The M questions of the probing set.
    captured
        What the model gave for them.
    margin_step
        Step of the paper's sweep of SNt.
    seed
        Of everything that is drawn.
    """

    def __init__(
        self,
        vlm: VLM,
        records: Sequence[Record],
        captured: Captured,
        *,
        margin_step: float,
        seed: int,
    ) -> None:
        self._vlm, self._captured = vlm, captured
        self._margin_step, self._seed = margin_step, seed
        self.y = np.array([record.label for record in records], dtype=np.str_)
        self.groups = group_ids(records)
        self.classes = tuple(np.unique(self.y).tolist())

    def of_logits(self) -> Iterator[Candidate]:
        """Yield the base model's first token, as it is and calibrated."""
        logits = self._captured.label_logits
        raw, calibrated = LabelLogits(), CalibratedLogits()
        yield Candidate(
            "base-first-token", "base model, first token", None, raw.fit(logits, self.y), "base",
            in_sample=True,
        )  # fmt: skip
        yield Candidate(
            "calibrated-logits", "calibrated logits", None, calibrated.fit(logits, self.y)
        )

    def of_neurons(self, position: Position) -> Iterator[Candidate]:
        """Yield what reads the residual stream at one token."""
        site = Site(position=position)
        suffix = "" if position == "last_prompt" else f"@{position}"
        metrics: tuple[tuple[Metric, str], ...] = (("accuracy", "accuracy"), ("f1", "F1"))
        for metric, shown in metrics:
            yield Candidate(
                f"neuron-{metric}{suffix}", f"best neuron by {shown}", site,
                self._single(site, metric), "neuron", metric, in_sample=True,
            )  # fmt: skip
        for metric, shown in metrics:
            for method in _AGGREGATIONS:
                params = {
                    "metric": metric, "aggregation": method, "margin_step": self._margin_step,
                }  # fmt: skip
                yield Candidate(
                    f"paper-{metric}-{method}{suffix}", f"SN, paper: by {shown}, {method}", site,
                    self._fitted("paper", site, params), method, metric,
                )  # fmt: skip
        for name, key in (("SN, improved", "super-neurons"), ("linear probe", "logistic")):
            yield Candidate(f"{key}{suffix}", name, site, self._fitted(key, site))

    def of_heads(self) -> Candidate:
        """Return Sparse Attention Vectors, which read the last token of the prompt."""
        site = Site("heads")
        return Candidate("savs", "SAVs, as published", site, self._fitted("savs", site), "savs")

    def _single(self, site: Site, metric: Metric) -> SingleNeuron:
        X, positive = self._captured.at(site).flat, self.y == self.classes[1]
        return SingleNeuron(int(np.argmax(neuron_scores(X, positive, metric))), self.classes)

    def _fitted(self, name: str, site: Site, params: dict[str, Any] | None = None) -> ReadOut:
        params = params or {}
        read_out = make_read_out(name, **params)
        fit_to_site(read_out, self._vlm, site, seed=self._seed, given=params)
        with warnings.catch_warnings():
            if site.answers_first:
                # Records that got the same answer can look the same there, whatever their label.
                warnings.simplefilter("ignore", DataWarning)
            return read_out.fit(self._captured.at(site).flat, self.y, groups=self.groups)


_AGGREGATIONS: tuple[Method, ...] = ("majority", "mean")


def threshold_of(candidate: Candidate) -> tuple[float | None, float | None]:
    """Return SNt and how far below the best neuron it lies; ``None`` without a threshold."""
    fitted = candidate.decides
    if not isinstance(fitted, PaperSuperNeurons):
        return None, None
    return fitted.threshold_, fitted.margin_
