"""The cascade: stop at the first layer that is sure enough, else go on, at last ask the model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from superneurons.activations.capture import Captured, Progress, capture
from superneurons.activations.store import capture_to_store
from superneurons.shortcut.cascade_answering import CascadeAnswering, words_for
from superneurons.shortcut.cascade_fit import FittedCascade, Plan, Verified, fit_cascade
from superneurons.shortcut.cascade_stages import SITE, Stage, three_parts
from superneurons.shortcut.checks import check_classes, usable_read_out
from superneurons.shortcut.form import Form
from superneurons.shortcut.probing import ProbingSet, probing_set, with_labels
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.preparation import Preparation
from superneurons.vlm.prompt import Prompt, PromptOrder

__all__ = ["Cascade", "CascadeWarning"]


class CascadeWarning(UserWarning):
    """A cascade that doesn't reach the accuracy that was asked for."""


class Cascade(CascadeAnswering, ClassifierMixin, BaseEstimator):
    """A categorical question, answered as early as the model is sure enough.

    Stages k1 < k2 < … each have a read-out over the layers up to theirs. A record is answered by
    the first stage whose confidence is at least its threshold; the others go on from the state
    they have reached, and what no stage is sure of gets the base model's own answer, calibrated.

    ``fit`` parts the records in three, groups whole: read-outs are fitted on one half, the
    thresholds that reach the target at the least mean cost are chosen on a quarter, and what they
    are worth is verified on the rest (:func:`superneurons.evaluate.cascades.cascade_report`).

    Parameters
    ----------
    model : VLM or str
        The base model: opened, or what :func:`~superneurons.vlm.opening.open_vlm` takes.
    layers : sequence of int, optional
        Where it may stop. By default the shallowest that is clearly better than chance, the
        shallowest within a point of the best, and all layers.
    target_accuracy : float, optional
        Wanted share of right answers; by default that of always going to the end.
    costs : sequence of float, optional
        Cost of a record that stops at each of the ``layers``, then at the base model's answer:
        measured milliseconds, say. By default the layers that run.
    base_answer : bool
        Whether the base model's own answer is the last resort; else the deepest stage is.
    caution : float
        Thresholds are to exceed the target by so many standard errors where they are chosen (of the
        difference to going to the end on the same records, else of the accuracy). Where none do,
        the most accurate ones are taken. With 0 they are chosen at its edge, and the target is
        missed on other records about as often as not.
    read_out, read_out_params
        What is fitted at each stage; it has to know as many classes as there are answers.
    prompt_order : {"picture-first", "question-first"}
        What comes first in the prompt.
    prompt_template : str, optional
        What to ask with instead of the chat template: a text with ``{pictures}`` and
        ``{question}`` (:class:`~superneurons.vlm.prompt.Prompt`).
    resolution : int, optional
        See pictures at so many pixels per side (:meth:`VLM.at_resolution`); by default as the model
        was made for.
    balanced : bool
        Whether stages are fitted on equally many records of each label. Thresholds are chosen and
        verified on all records of their parts.
    batch_size : int
        Records per forward pass.
    activations : Path, optional
        Directory to keep the activations in; an interrupted ``fit`` goes on from there.
    random_state : int
        Seed of everything that is drawn.
    dtype, device, revision, trust_remote_code, preparation
        As in :func:`~superneurons.vlm.opening.open_vlm`, when ``model`` is a name.

    Attributes
    ----------
    stages_ : tuple of Stage
        With their thresholds, the last resort last.
    costs_ : tuple of float
        Cost of a record that stops at each stage.
    classes_ : ndarray of str
        The labels, sorted; empty when each record brings options of its own.
    form_ : {"direct", "lettered"}
        How records are put to the model.
    question_ : str or None
        The question of all records, if it was the same.
    fitted_ : FittedCascade
        How the thresholds came about; a loaded cascade has only ``target_``, ``met_`` and
        ``verified_`` of it.
    target_ : float
        The accuracy that thresholds were chosen for.
    met_ : bool
        Whether it was reached where they were chosen.
    verified_ : Verified
        What other records say.
    probing_ : dict
        Numbers of records.
    commit_ : str or None
        Of the hub, where it was loaded from there.

    Examples
    --------
    >>> from superneurons import Cascade, make_task
    >>> cascade = Cascade.from_model("demo", layers=[1, 12])  # doctest: +SKIP
    >>> cascade.fit(make_task("dark", n=300))  # doctest: +SKIP
    >>> [a.exit_layer for a in cascade.answers(make_task("dark", n=4, split="test"))]
    ... # doctest: +SKIP
    [1, 1, 12, 1]
    """

    stages_: tuple[Stage, ...]
    costs_: tuple[float, ...]
    classes_: NDArray[np.str_]
    form_: Form
    question_: str | None
    fitted_: FittedCascade
    target_: float
    met_: bool
    verified_: Verified
    probing_: dict[str, int]
    commit_: str | None

    def __init__(
        self,
        model: VLM | str = "demo",
        *,
        layers: Sequence[int] | None = None,
        target_accuracy: float | None = None,
        costs: Sequence[float] | None = None,
        base_answer: bool = True,
        caution: float = 1.0,
        read_out: str = "super-neurons",
        read_out_params: Mapping[str, Any] | None = None,
        prompt_order: PromptOrder = "picture-first",
        prompt_template: str | None = None,
        resolution: int | None = None,
        balanced: bool = True,
        batch_size: int = 8,
        activations: Path | None = None,
        random_state: int = 0,
        dtype: str = "auto",
        device: str = "auto",
        revision: str | None = None,
        trust_remote_code: bool = False,
        preparation: Preparation = "auto",
    ) -> None:
        self.model = model
        self.layers = layers
        self.target_accuracy = target_accuracy
        self.costs = costs
        self.base_answer = base_answer
        self.caution = caution
        self.read_out = read_out
        self.read_out_params = read_out_params
        self.prompt_order = prompt_order
        self.prompt_template = prompt_template
        self.resolution = resolution
        self.balanced = balanced
        self.batch_size = batch_size
        self.activations = activations
        self.random_state = random_state
        self.dtype = dtype
        self.device = device
        self.revision = revision
        self.trust_remote_code = trust_remote_code
        self.preparation = preparation

    def fit(
        self,
        records: Sequence[Record],
        y: Sequence[str] | None = None,
        *,
        progress: Progress | None = None,
    ) -> Self:
        """Fit the stages, choose their thresholds and verify them.

        Parameters
        ----------
        records
            N labelled records.
        y
            Labels that replace those of the records.
        progress
            Told (records done, records in all) while the model runs.

        Raises
        ------
        DataError
            When pictures, labels or parameters cannot be used, or there are too few records to
            part in three; lists every problem, before the model runs.
        ModelError
            When the model cannot be opened or asked like this, has fewer layers, or its first
            token cannot tell the labels apart.

        Warns
        -----
        CascadeWarning
            When no thresholds reach the target, or it doesn't hold on the records that verify it.
        """
        plan, prompt = self._plan(), self.prompt
        plan.check()
        given = with_labels(records, y)
        probing = probing_set(given, balanced=False, seed=self.random_state)
        check_classes(usable_read_out(self.read_out, self.read_out_params), probing.y)
        three_parts(probing, seed=self.random_state)  # before the model runs: there may be too few
        captured = self._capture(probing, plan, prompt, progress)
        return self.fit_captured(given, probing, captured)

    def fit_captured(
        self, records: Sequence[Record], probing: ProbingSet, captured: Captured
    ) -> Self:
        """Fit on activations, and label logits, that were captured before.

        Raises
        ------
        DataError
            As for :meth:`fit`.
        MismatchError
            When the activations are not those of the probing set.
        """
        plan = self._plan()
        plan.check()
        check_classes(usable_read_out(self.read_out, self.read_out_params), probing.y)
        found = fit_cascade(self.whole(), records, probing, captured, plan)
        self.fitted_ = found
        self.stages_, self.costs_ = found.stages, found.costs
        self.target_, self.met_ = found.choice.target, found.choice.met
        self.verified_ = found.verified
        self.form_, self.question_ = probing.form, probing.question
        self.classes_ = np.array(probing.labels, dtype=np.str_)
        groups = len(np.unique(probing.groups))
        self.probing_ = {"records": probing.n, "groups": groups, **found.sizes}
        self._warn()
        return self

    def _plan(self) -> Plan:
        return Plan(
            layers=None if self.layers is None else tuple(self.layers),
            target=self.target_accuracy,
            costs=None if self.costs is None else tuple(map(float, self.costs)),
            base_answer=self.base_answer,
            caution=self.caution,
            read_out=self.read_out,
            read_out_params=self.read_out_params,
            balanced=self.balanced,
            seed=self.random_state,
        )

    def _warn(self) -> None:
        found = self.verified_
        if not self.met_:
            best = self.fitted_.choice.accuracy
            said = (
                f"No thresholds reach an accuracy of {self.target_:.1%} on the records that "
                f"choose them: {best:.1%} is the best. Add stages or records, or ask for less."
            )
        elif self.target_accuracy is not None and not found.held:
            said = (
                f"The target of {self.target_:.1%} is met on the records that chose the "
                f"thresholds, but on {found.records} others the accuracy is {found.accuracy:.1%}."
            )
        else:
            return
        warnings.warn(said, CascadeWarning, stacklevel=4)

    def _capture(
        self, probing: ProbingSet, plan: Plan, prompt: Prompt, progress: Progress | None
    ) -> Captured:
        vlm = self.at_resolution(self.whole())
        words = words_for(vlm, sorted(set(probing.y.tolist()))) if self.base_answer else None
        options: dict[str, Any] = {
            "sites": (SITE,), "prompt": prompt, "batch_size": self.batch_size,
            "words": words, "progress": progress,
        }  # fmt: skip
        vlm = vlm.truncated(plan.deepest(vlm.n_layers))
        if self.activations is None:
            return capture(vlm, probing.records, **options)
        return capture_to_store(vlm, probing.records, Path(self.activations), **options)

    def save_pretrained(self, directory: str | Path, *, overwrite: bool = False) -> None:
        """Save as an artefact; see :func:`superneurons.shortcut.cascade_artefact.save_cascade`."""
        from superneurons.shortcut.cascade_artefact import save_cascade

        save_cascade(self, Path(directory), overwrite=overwrite)

    @classmethod
    def from_pretrained(
        cls, directory: str | Path, model: VLM | str | None = None, **params: Any
    ) -> Self:
        """Load an artefact; see :func:`superneurons.shortcut.cascade_artefact.load_cascade`.

        ``directory`` may be on disk, which wins, or on the hub: ``owner/name``, or
        ``owner/name@revision``. Of one on the hub, a ``revision`` among the parameters is its own.
        """
        from superneurons.shortcut.cascade_artefact import load_cascade
        from superneurons.shortcut.hub import located

        found = located(directory, params)
        fitted = load_cascade(cls, found.directory, model, **found.params)
        fitted.commit_ = found.commit
        return fitted
