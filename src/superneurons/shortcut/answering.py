"""What a fitted classifier does: answer records, running the model no further than it has to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from superneurons.activations.ahead import ahead
from superneurons.activations.capture import Captured, capture_inputs, room_for, to_float16
from superneurons.activations.site import Neuron, Site
from superneurons.probes.base import ReadOut
from superneurons.shortcut.base_model import OnBaseModel
from superneurons.shortcut.checks import check_shape, check_values
from superneurons.shortcut.form import Form, answered, as_asked, questions_each
from superneurons.shortcut.predicting import Predicting
from superneurons.shortcut.prediction import Prediction
from superneurons.shortcut.prepared import Prepared, prepared
from superneurons.shortcut.reading import runs_for
from superneurons.task.record import Record
from superneurons.vlm.early_exit import Acceleration, EarlyExit
from superneurons.vlm.model import VLM

__all__ = ["Answering"]


class Answering(OnBaseModel, Predicting):
    """Answers of a classifier that knows its neurons, its read-out and how records are asked."""

    _exit: tuple[object, EarlyExit] | None = None

    if TYPE_CHECKING:
        batch_size: int
        acceleration: Acceleration
        read_out_: ReadOut
        neurons_: list[Neuron]
        site_: Site
        exit_layer_: int
        form_: Form

    def forget(self) -> None:
        """Let go of what was made of the open model."""
        super().forget()
        self._exit = None

    def truncated(self) -> VLM:
        """Return the base model, cut off where it may stop for an answer.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self, "read_out_")
        return runs_for(self.vlm, self.site_, max(neuron.layer for neuron in self.neurons_))

    def answers(self, records: Sequence[Record]) -> Iterator[Prediction]:
        """Answer records one batch at a time, in order.

        Raises
        ------
        DataError
            When a picture cannot be read, or a record's options cannot be asked or answered.
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self, "read_out_")
        vlm = self.vlm
        step = max(1, self.batch_size // questions_each(records, self.form_, self._labels))
        batches = [records[start : start + step] for start in range(0, len(records), step)]
        with closing(ahead(batches, lambda batch: self._prepared(vlm, batch))) as batches_ahead:
            for batch in batches_ahead:
                yield from self._answered(vlm, batch)

    def answer(self, vlm: VLM, records: Sequence[Record]) -> list[Prediction]:
        """Answer one batch with a model that has ``exit_layer_`` layers or more."""
        return self._answered(vlm, self._prepared(vlm, records))

    def _prepared(self, vlm: VLM, records: Sequence[Record]) -> Prepared:
        return prepared(vlm, self.prompt, records, self.asked(records))

    def _answered(self, vlm: VLM, batch: Prepared) -> list[Prediction]:
        begun = time.perf_counter()
        with room_for(batch.asked):
            if self.site_.position == "first_generated":
                captured = capture_inputs(vlm, batch.inputs, sites=(self.site_,))
                answers = self.answer_captured(batch.records, captured)
            else:
                found = to_float16(self.early_exit(vlm)(batch.inputs))
                answers = self._answers_of(batch.records, batch.asked, found)
        spent = (batch.seconds + time.perf_counter() - begun) * 1e3 / len(batch.records)
        return [replace(answer, latency_ms=spent) for answer in answers]

    def early_exit(self, vlm: VLM | None = None) -> EarlyExit:
        """Return what runs the model up to the neurons; its ``path`` says how.

        Parameters
        ----------
        vlm
            The model to run; the classifier's own by default.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self, "read_out_")
        vlm = self.vlm if vlm is None else vlm
        wanted = (id(vlm.model), self.neurons_, self.site_, self.acceleration)
        known = self._exit  # another thread may replace it meanwhile
        if known is None or known[0] != wanted:
            leave = EarlyExit(
                vlm,
                [neuron.layer for neuron in self.neurons_],
                [neuron.index for neuron in self.neurons_],
                kind=self.site_.kind,
                position=self.site_.position,  # type: ignore[arg-type]  # never a generated token
                acceleration=self.acceleration,
            )
            self._exit = known = wanted, leave
        return known[1]

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
        return self._answers_of(records, asked, X)

    def answer_values(
        self, records: Sequence[Record], values: NDArray[np.float16]
    ) -> list[Prediction]:
        """Answer from the activations of ``neurons_`` alone, (M, K) of :meth:`asked`.

        Raises
        ------
        DataError
            As in :meth:`answer_captured`.
        """
        return self._answers_of(records, self.asked(records), values)

    def _answers_of(
        self, records: Sequence[Record], asked: Sequence[Record], X: NDArray[np.float16]
    ) -> list[Prediction]:
        check_values(X, np.array([neuron.layer for neuron in self.neurons_]), asked)
        found = answered(records, X, self.read_out_, self.form_, self._labels)
        return [
            Prediction(label, shares, max(shares.values()), self.exit_layer_, 0.0, record.id)
            for record, (label, shares) in zip(records, found, strict=True)
        ]
