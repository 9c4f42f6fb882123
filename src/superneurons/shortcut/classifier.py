"""The classifier over pictures: finds Super Neurons in a frozen model, then stops it early."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from superneurons.activations.capture import Captured, Progress, capture, capture_batch
from superneurons.activations.site import Neuron, Position, Site, neurons_of
from superneurons.activations.store import capture_to_store
from superneurons.errors import DataError
from superneurons.probes.base import ReadOut
from superneurons.shortcut.checks import (
    check_classes,
    check_shape,
    check_values,
    native_or_unrolled,
    usable_read_out,
)
from superneurons.shortcut.form import Form, Multiclass, answered, as_asked, questions_each
from superneurons.shortcut.prediction import Prediction
from superneurons.shortcut.probing import ProbingSet, probing_set, with_labels
from superneurons.shortcut.reading import check_seen, depth_read, fit_to_site, runs_for, site_of
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt, PromptOrder

__all__ = ["SuperNeuronClassifier"]


class SuperNeuronClassifier(ClassifierMixin, BaseEstimator):
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
    position : {"last_prompt", "first_generated"}
        At which token. Only the first allows the model to stop early.
    max_layer : int, optional
        Deepest layer that may be read; all layers of the site by default.
    prompt_order : {"picture-first", "question-first"}
        What comes first in the prompt.
    balanced : bool
        Whether the probing set is made balanced by dropping records of the more frequent label.
    batch_size : int
        Records per forward pass.
    activations : Path, optional
        Directory to keep the probing activations in; an interrupted ``fit`` goes on from there.
    random_state : int
        Seed of everything that is drawn.
    dtype, device, revision, trust_remote_code
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
    _vlm: VLM

    def __init__(
        self,
        model: VLM | str = "demo",
        *,
        read_out: str = "super-neurons",
        read_out_params: Mapping[str, Any] | None = None,
        multiclass: Multiclass = "auto",
        site: str | None = None,
        position: Position = "last_prompt",
        max_layer: int | None = None,
        prompt_order: PromptOrder = "picture-first",
        balanced: bool = True,
        batch_size: int = 8,
        activations: Path | None = None,
        random_state: int = 0,
        dtype: str = "auto",
        device: str = "auto",
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.model = model
        self.read_out = read_out
        self.read_out_params = read_out_params
        self.multiclass = multiclass
        self.site = site
        self.position = position
        self.max_layer = max_layer
        self.prompt_order = prompt_order
        self.balanced = balanced
        self.batch_size = batch_size
        self.activations = activations
        self.random_state = random_state
        self.dtype = dtype
        self.device = device
        self.revision = revision
        self.trust_remote_code = trust_remote_code

    @classmethod
    def from_model(cls, model: VLM | str, **params: Any) -> Self:
        """Return an unfitted classifier on a model; takes the constructor's parameters."""
        return cls(model, **params)

    @property
    def vlm(self) -> VLM:
        """The base model, opened when first needed; of a loaded classifier only what it runs."""
        if isinstance(self.model, VLM):
            return self.model
        return self._vlm if hasattr(self, "_vlm") else self.open()

    def open(self, depth: int | None = None) -> VLM:
        """Open the base model as deep as ``depth``, or as a whole, unless it was given open.

        Raises
        ------
        ModelError
            When it cannot be opened, or has fewer layers.
        """
        if isinstance(self.model, VLM):
            return self.model
        if hasattr(self, "_vlm"):
            del self._vlm  # first, so that not both are in memory
        names = ("revision", "dtype", "device", "trust_remote_code")
        options: dict[str, Any] = {name: getattr(self, name) for name in names}
        self._vlm = open_vlm(self.model, depth=depth, **options)
        return self._vlm

    def whole(self) -> VLM:
        """Return the base model with all its layers; opens it again where only some were."""
        return self.vlm if self.vlm.depth == self.vlm.n_layers else self.open()

    @property
    def prompt(self) -> Prompt:
        """How the model is asked."""
        return Prompt(self.prompt_order)

    def fit(
        self,
        records: Sequence[Record],
        y: Sequence[str] | None = None,
        *,
        progress: Progress | None = None,
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

        Raises
        ------
        DataError
            When pictures, labels or parameters cannot be used; lists every problem, before the
            model runs. When an activation is no finite number.
        ModelError
            When the model cannot be opened, or lacks the site or its layer ``max_layer``.
        """
        read_out = usable_read_out(self.read_out, self.read_out_params)
        site = site_of(read_out, self.site, self.position)
        probing = probing_set(
            with_labels(records, y), balanced=self.balanced, seed=self.random_state,
            multiclass=native_or_unrolled(self.multiclass, read_out),
        )  # fmt: skip
        check_classes(read_out, probing.y)
        check_seen(site, probing.form)
        captured = self._capture(probing, site, progress)
        return self.fit_captured(probing, captured)

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
        self.site_ = site
        self.neurons_ = neurons_of(read_out.neurons_, width)
        deepest = max(neuron.layer for neuron in self.neurons_)
        self.exit_layer_ = site.exit_layer(deepest, vlm.n_layers)
        self.read_out_ = read_out.compact()
        self.form_ = probing.form
        self.question_ = probing.question
        self.classes_ = np.array(probing.labels, dtype=np.str_)
        self.probing_ = {
            "records": probing.n,
            "questions": len(probing.records),
            "groups": len(np.unique(probing.groups)),
            "neurons_searched": int(X.shape[1]),
        }
        return self

    def _capture(self, probing: ProbingSet, site: Site, progress: Progress | None) -> Captured:
        vlm = self.whole()
        depth = depth_read(vlm, site, self.max_layer)
        options: dict[str, Any] = {
            "sites": (site,),
            "prompt": self.prompt,
            "batch_size": self.batch_size,
            "progress": progress,
        }
        vlm = runs_for(vlm, site.exit_layer(depth, vlm.n_layers))
        if self.activations is None:
            return capture(vlm, probing.records, **options)
        return capture_to_store(vlm, probing.records, Path(self.activations), **options)

    def truncated(self) -> VLM:
        """Return the base model, cut off where it may stop for an answer.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self, "read_out_")
        return runs_for(self.vlm, self.exit_layer_)

    def answers(self, records: Sequence[Record]) -> Iterator[Prediction]:
        """Answer records one batch at a time, in order.

        Raises
        ------
        DataError
            When a picture cannot be read, or a record's options cannot be asked or answered.
        NotFittedError
            Before ``fit``.
        """
        vlm = self.truncated()
        step = max(1, self.batch_size // questions_each(records, self.form_, self._labels))
        for start in range(0, len(records), step):
            yield from self.answer(vlm, records[start : start + step])

    def answer(self, vlm: VLM, records: Sequence[Record]) -> list[Prediction]:
        """Answer one batch with a model that runs ``exit_layer_`` layers or more."""
        begun = time.perf_counter()
        captured = capture_batch(vlm, self.asked(records), sites=(self.site_,), prompt=self.prompt)
        answers = self.answer_captured(records, captured)
        spent = (time.perf_counter() - begun) * 1e3 / len(records)
        return [replace(answer, latency_ms=spent) for answer in answers]

    def asked(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return what the model is asked for these records: one each, or one per option."""
        return as_asked(records, self.form_, self._labels)

    @property
    def _labels(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def answer_captured(self, records: Sequence[Record], captured: Captured) -> list[Prediction]:
        """Answer from activations of :meth:`asked` that were captured before; latencies are 0.

        Parameters
        ----------
        records
            N records.
        captured
            Activations (M, L, W) of what was asked for them, as deep as ``neurons_`` or deeper.

        Raises
        ------
        DataError
            When an activation is no finite number, or a record allows no answer that is known.
        MismatchError
            When the activations are of other records or another model.
        """
        check_is_fitted(self, "read_out_")
        asked, activations = self.asked(records), captured.at(self.site_).activations
        layers = np.array([neuron.layer for neuron in self.neurons_])
        width = self.vlm.shape(self.site_.kind)[1]
        check_shape(activations, n=len(asked), layers=int(layers.max()), width=width)
        X = activations[:, layers - 1, [neuron.index for neuron in self.neurons_]]
        check_values(X, layers, asked)
        found = answered(records, X, self.read_out_, self.form_, self._labels)
        return [
            Prediction(label, shares, max(shares.values()), self.exit_layer_, 0.0, record.id)
            for record, (label, shares) in zip(records, found, strict=True)
        ]

    def predict(self, records: Sequence[Record]) -> NDArray[np.str_]:
        """Return the label of each record, shape (N,)."""
        return np.array([answer.label for answer in self.answers(records)], dtype=np.str_)

    def predict_proba(self, records: Sequence[Record]) -> NDArray[np.float64]:
        """Return the probability of each label, shape (N, C), in the order of ``classes_``.

        Raises
        ------
        DataError
            When records bring options of their own, so that there are no common columns.
        """
        check_is_fitted(self, "read_out_")
        if not len(self.classes_):
            raise DataError(
                "The options differ from record to record, so there are no common classes.",
                mend="Use answers(), which gives each record's own probabilities.",
            )
        rows = [[a.probabilities.get(c, 0.0) for c in self._labels] for a in self.answers(records)]
        return np.array(rows, dtype=np.float64).reshape(len(records), len(self.classes_))

    def score(self, records: Sequence[Record], y: Sequence[str] | None = None) -> float:
        """Return the plain accuracy; :mod:`superneurons.evaluate` gives what belongs to it."""
        truth = [record.label for record in with_labels(records, y)]
        return float(np.mean(self.predict(records) == np.array(truth)))

    def save_pretrained(self, directory: str | Path, *, overwrite: bool = False) -> None:
        """Save as an artefact; see :func:`superneurons.shortcut.artefact.save`."""
        from superneurons.shortcut.artefact import save

        save(self, Path(directory), overwrite=overwrite)

    @classmethod
    def from_pretrained(
        cls, directory: str | Path, model: VLM | str | None = None, **params: Any
    ) -> Self:
        """Load an artefact; see :func:`superneurons.shortcut.artefact.load`."""
        from superneurons.shortcut.artefact import load

        return load(cls, Path(directory), model, **params)
