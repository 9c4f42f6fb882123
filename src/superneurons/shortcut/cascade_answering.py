"""What a fitted cascade does: answer records, each no deeper than it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from sklearn.utils.validation import check_is_fitted

from superneurons.activations.ahead import ahead
from superneurons.activations.capture import room_for
from superneurons.errors import ModelError
from superneurons.shortcut.base_model import OnBaseModel
from superneurons.shortcut.cascade_run import Anew, GoneOn, RunPath, Way, live_stages, run_stages
from superneurons.shortcut.cascade_stages import Stage
from superneurons.shortcut.form import Form, as_asked
from superneurons.shortcut.predicting import Predicting
from superneurons.shortcut.prediction import Prediction
from superneurons.shortcut.prepared import Prepared, prepared
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords, label_words
from superneurons.vlm.lean.opening import lean_of, why_not_lean
from superneurons.vlm.model import VLM

__all__ = ["CascadeAnswering", "words_for"]


class CascadeAnswering(OnBaseModel, Predicting):
    """Answers of a cascade that knows its stages and how records are asked."""

    batch_size: int
    stages_: tuple[Stage, ...]
    form_: Form

    @property
    def depth_(self) -> int:
        """Decoder layers that run at most: those of the deepest stage that is ever reached."""
        return self._last.layer

    @property
    def asks_base_(self) -> bool:
        """Whether a record can come to the base model's own answer."""
        return self._last.is_base

    @property
    def _last(self) -> Stage:
        check_is_fitted(self, "stages_")
        return self.stages_[live_stages(self.stages_)[-1]]

    @property
    def path(self) -> RunPath:
        """How stages follow each other in this model: ``lean``, or ``anew`` for lack of it.

        Where the family is not known well enough to stop within it, a record that goes on runs
        the layers it has passed once more: nothing but time is lost.
        """
        return "anew" if lean_of(self.vlm) is None else "lean"

    @property
    def reason(self) -> str:
        """Why stages start anew; nothing where they go on."""
        return why_not_lean(self.vlm)

    def answers(self, records: Sequence[Record]) -> Iterator[Prediction]:
        """Answer records one batch at a time, in order.

        Raises
        ------
        DataError
            When a picture cannot be read, or a record's options cannot be asked or answered.
        NotFittedError
            Before ``fit``.
        """
        for _, answer in self.staged_answers(records):
            yield answer

    def staged_answers(self, records: Sequence[Record]) -> Iterator[tuple[int, Prediction]]:
        """Answer records as :meth:`answers` does; each with the number of the stage that did.

        Two stages may be at one layer, so that the layer doesn't tell them apart.
        """
        base = self._last
        words = words_for(self.vlm, base.read_out.classes_.tolist()) if base.is_base else None
        step = self.batch_size
        batches = [records[start : start + step] for start in range(0, len(records), step)]
        with closing(ahead(batches, self._prepared)) as batches_ahead:
            for batch in batches_ahead:
                yield from self._answered(batch, words)

    def _prepared(self, records: Sequence[Record]) -> Prepared:
        asked = as_asked(records, self.form_, self.classes_.tolist())
        return prepared(self.vlm, self.prompt, records, asked)

    def _answered(self, batch: Prepared, words: LabelWords | None) -> list[tuple[int, Prediction]]:
        begun = time.perf_counter()
        with room_for(batch.asked):
            found = run_stages(
                self._way(batch), self.stages_, batch.records, batch.asked,
                form=self.form_, labels=self.classes_.tolist(), words=words,
            )  # fmt: skip
        spent = (batch.seconds + time.perf_counter() - begun) * 1e3 / len(batch.records)
        return [
            (number, self._told(number, label, shares, spent, record.id))
            for record, (number, (label, shares)) in zip(batch.records, found, strict=True)
        ]

    def _told(
        self, number: int, label: str, shares: dict[str, float], spent: float, name: str
    ) -> Prediction:
        layer = self.stages_[number].layer
        return Prediction(label, shares, max(shares.values()), layer, spent, name)

    def _way(self, batch: Prepared) -> Way:
        lean = lean_of(self.vlm)
        if lean is None:
            return Anew(self.vlm, batch.asked, batch.inputs, self.prompt)
        return GoneOn(lean, batch.inputs, self.depth_)


def words_for(vlm: VLM, labels: Sequence[str]) -> LabelWords:
    """Find the label words that the base model's own answer is read from.

    Raises
    ------
    ModelError
        When its first token cannot tell the labels apart.
    """
    try:
        return label_words(vlm.processor, labels)
    except ModelError as error:
        raise ModelError(
            error.what,
            problems=error.problems,
            where="base_answer",
            mend=f"{error.mend} Or do without the base model's answer (base_answer=False).",
        ) from error
