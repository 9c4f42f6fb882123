"""The classifier over pictures: finds Super Neurons in a frozen model, then stops it early."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from superneurons.activations.capture import Captured, Progress, capture
from superneurons.activations.site import Neuron, Position, Site, neurons_of
from superneurons.activations.store import capture_to_store
from superneurons.probes.base import ReadOut
from superneurons.probes.depth import DepthAnswers
from superneurons.shortcut.answering import Answering
from superneurons.shortcut.checks import (
    check_classes,
    check_shape,
    check_values,
    native_or_unrolled,
    usable_read_out,
)
from superneurons.shortcut.form import Form, Multiclass
from superneurons.shortcut.probing import ProbingSet, probing_set, with_labels
from superneurons.shortcut.reading import check_seen, depth_read, fit_to_site, runs_for, site_of
from superneurons.task.record import Record
from superneurons.vlm.acceleration import Acceleration
from superneurons.vlm.model import VLM
from superneurons.vlm.preparation import Preparation
from superneurons.vlm.prompt import Prompt, PromptOrder

__all__ = ["SuperNeuronClassifier"]


class SuperNeuronClassifier(Answering, ClassifierMixin, BaseEstimator):
    """A categorical question, answered by a few neurons of a frozen vision-language model.

    ``fit`` runs the model once over the labelled records, finds the neurons that hold the answer,
    and remembers the deepest layer they sit in. Answering then runs the model up to that layer
    only: no later layer, no head, no generation.

    Parameters
    ----------
    model : VLM or str
        The base model: opened, or what :func:`~superneurons.vlm.opening.open_vlm` takes.
    read_out : str
        Name of the read-out (:data:`superneurons.probes.registry.READ_OUTS`).
    read_out_params : mapping, optional
        Its parameters.
    multiclass : {"auto", "native", "unrolled"}
        How more than two answers are told apart. ``native``: the question is asked once and the
        read-out knows all answers; options that differ from record to record are asked by letter.
        ``unrolled``: each answer is asked for by itself, as the paper does, which takes as many
        passes. ``auto``: the first where the read-out knows more than two classes. Letters may
        be tied to their options only in deep layers: ``unrolled`` suits a small ``max_layer``.
    site : {"residual", "mlp", "heads", "vision", "projector"}, optional
        What is read (:class:`~superneurons.activations.site.Site`); by default what the read-out
        is made for: attention heads for ``savs``, else the residual stream.
    position : {"last_prompt", "first_generated", "image_mean", "image_max"}
        At which tokens; all but the second allow the model to stop early.
    resolution : int, optional
        See pictures at so many pixels per side (:meth:`VLM.at_resolution`); by default as the model
        was made for.
    max_layer : int, optional
        Deepest layer that may be read; all layers of the site by default.
    prompt_order : {"picture-first", "question-first"}
        What comes first in the prompt.
    prompt_template : str, optional
        What to ask with instead of the chat template: a text with ``{pictures}`` and
        ``{question}`` (:class:`~superneurons.vlm.prompt.Prompt`).
    balanced : bool
        Whether the probing set is made balanced by dropping records of the more frequent label.
    batch_size : int
        Records per forward pass.
    activations : Path, optional
        Directory to keep the probing activations in; an interrupted ``fit`` goes on from there.
    random_state : int
        Seed of everything that is drawn.
    acceleration : {"auto", "off", "lean", "graphs", "compiled", "fp8"}
        How an answer's early exit runs (:data:`~superneurons.vlm.acceleration.Acceleration`).
    dtype, device, revision, trust_remote_code, preparation
        As in :func:`~superneurons.vlm.opening.open_vlm`, when ``model`` is a name.

    Attributes
    ----------
    classes_ : ndarray of str
        The labels, sorted; empty when each record brings options of its own.
    form_ : {"direct", "lettered", "unrolled"}
        How records are put to the model.
    read_out_ : ReadOut
        The fitted read-out over the chosen neurons alone.
    neurons_ : list of Neuron
        What it reads.
    site_ : Site
        Where they are.
    exit_layer_ : int
        Decoder layers that run for an answer: 0 where only pictures are read, all at the first
        generated token.
    question_ : str or None
        The question of all probing records, if it was the same.
    probing_ : dict
        What it was fitted on: numbers of records, groups and neurons searched.
    depth_answers_ : DepthAnswers or None
        What the first 1, 2, … layers answered in the cross-validation that chose their number;
        after ``fit`` only, and for read-outs that choose it.
    commit_ : str or None
        Of the hub, where it was loaded from there.

    Examples
    --------
    >>> from superneurons import SuperNeuronClassifier, make_task
    >>> clf = SuperNeuronClassifier.from_model("demo", max_layer=2)  # doctest: +SKIP
    >>> clf.fit(make_task("dark", n=200))  # doctest: +SKIP
    >>> clf.predict(make_task("dark", n=4, split="test"))  # doctest: +SKIP
    array(['no', 'yes', 'no', 'yes'], dtype='<U3')
    """

    classes_: NDArray[np.str_]
    read_out_: ReadOut
    neurons_: list[Neuron]
    site_: Site
    exit_layer_: int
    probing_: dict[str, int]
    form_: Form
    question_: str | None
    depth_answers_: DepthAnswers | None
    commit_: str | None

    def __init__(
        self,
        model: VLM | str = "demo",
        *,
        read_out: str = "super-neurons",
        read_out_params: Mapping[str, Any] | None = None,
        multiclass: Multiclass = "auto",
        site: str | None = None,
        position: Position = "last_prompt",
        resolution: int | None = None,
        max_layer: int | None = None,
        prompt_order: PromptOrder = "picture-first",
        prompt_template: str | None = None,
        balanced: bool = True,
        batch_size: int = 8,
        activations: Path | None = None,
        random_state: int = 0,
        acceleration: Acceleration = "auto",
        dtype: str = "auto",
        device: str = "auto",
        revision: str | None = None,
        trust_remote_code: bool = False,
        preparation: Preparation = "auto",
    ) -> None:
        self.model = model
        self.read_out = read_out
        self.read_out_params = read_out_params
        self.multiclass = multiclass
        self.site = site
        self.position = position
        self.resolution = resolution
        self.max_layer = max_layer
        self.prompt_order = prompt_order
        self.prompt_template = prompt_template
        self.balanced = balanced
        self.batch_size = batch_size
        self.activations = activations
        self.random_state = random_state
        self.acceleration = acceleration
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
        witness: Callable[[ProbingSet, Captured], object] | None = None,
    ) -> Self:
        """Find the neurons that hold the answer.

        Parameters
        ----------
        records
            N labelled records.
        y
            Labels that replace those of the records.
        progress
            Told (records done, records in all) while the model runs.
        witness
            Shown what was asked and captured, once all is fitted.

        Raises
        ------
        DataError
            When pictures, labels or parameters cannot be used; lists every problem, before the
            model runs. When an activation is no finite number.
        ModelError
            When the model cannot be opened or asked like this, lacks the site or its layer
            ``max_layer``, or cannot see pictures at ``resolution``.
        """
        read_out = usable_read_out(self.read_out, self.read_out_params)
        site, prompt = site_of(read_out, self.site, self.position), self.prompt
        probing = probing_set(
            with_labels(records, y), balanced=self.balanced, seed=self.random_state,
            multiclass=native_or_unrolled(self.multiclass, read_out),
        )  # fmt: skip
        check_classes(read_out, probing.y)
        check_seen(site, probing.form)
        captured = self._capture(probing, site, prompt, progress)
        self.fit_captured(probing, captured)
        if witness is not None:
            witness(probing, captured)
        return self

    def fit_captured(self, probing: ProbingSet, captured: Captured) -> Self:
        """Fit on activations that were captured before, of the layers up to ``max_layer``.

        Raises
        ------
        DataError
            When the read-out cannot learn this, its site was not captured, or an activation is no
            finite number.
        MismatchError
            When the activations are not those of the probing set.
        """
        read_out = usable_read_out(self.read_out, self.read_out_params)
        check_classes(read_out, probing.y)
        site, vlm = site_of(read_out, self.site, self.position), self.whole()
        captured = captured.at(site)
        depth, width = depth_read(vlm, site, self.max_layer), vlm.shape(site.kind)[1]
        check_shape(captured.activations, n=len(probing.records), layers=depth, width=width)
        X = captured.up_to(depth)
        check_values(X, np.arange(X.shape[1]) // width + 1, probing.records)
        given = self.read_out_params or {}
        fit_to_site(read_out, vlm, site, seed=self.random_state, given=given.keys())
        read_out.fit(X, probing.y, groups=probing.groups)
        return self.adopt(read_out, probing, site)

    def adopt(self, read_out: ReadOut, probing: ProbingSet, site: Site) -> Self:
        """Take over a read-out that was fitted on all neurons of a site.

        Parameters
        ----------
        read_out
            Its columns are those of the site's layers, from the first.
        probing
            What it was fitted on.
        site
            Where the neurons are.
        """
        vlm = self.whole()
        self.site_ = site
        self.neurons_ = neurons_of(read_out.neurons_, vlm.shape(site.kind)[1])
        deepest = max(neuron.layer for neuron in self.neurons_)
        self.exit_layer_ = site.exit_layer(deepest, vlm.n_layers)
        self.read_out_ = read_out.compact()
        self.depth_answers_ = getattr(read_out, "depth_answers_", None)
        self.form_ = probing.form
        self.question_ = probing.question
        self.classes_ = np.array(probing.labels, dtype=np.str_)
        self.probing_ = {
            "records": probing.n,
            "questions": len(probing.records),
            "groups": len(np.unique(probing.groups)),
            "neurons_searched": int(read_out.n_features_in_),
        }
        return self

    def _capture(
        self, probing: ProbingSet, site: Site, prompt: Prompt, progress: Progress | None
    ) -> Captured:
        vlm = self.at_resolution(self.whole())
        depth = depth_read(vlm, site, self.max_layer)
        options: dict[str, Any] = {
            "sites": (site,),
            "prompt": prompt,
            "batch_size": self.batch_size,
            "progress": progress,
        }
        vlm = runs_for(vlm, site, depth)
        if self.activations is None:
            return capture(vlm, probing.records, **options)
        return capture_to_store(vlm, probing.records, Path(self.activations), **options)

    def save_pretrained(self, directory: str | Path, *, overwrite: bool = False) -> None:
        """Save as an artefact; see :func:`superneurons.shortcut.artefact.save`."""
        from superneurons.shortcut.artefact import save

        save(self, Path(directory), overwrite=overwrite)

    @classmethod
    def from_pretrained(
        cls, directory: str | Path, model: VLM | str | None = None, **params: Any
    ) -> Self:
        """Load an artefact; see :func:`superneurons.shortcut.artefact.load`.

        ``directory`` may be on disk, which wins, or on the hub: ``owner/name``, or
        ``owner/name@revision``. Of one on the hub, a ``revision`` among the parameters is its own.
        """
        from superneurons.shortcut.artefact import load
        from superneurons.shortcut.hub import located

        found = located(directory, params)
        fitted = load(cls, found.directory, model, **found.params)
        fitted.commit_ = found.commit
        return fitted
