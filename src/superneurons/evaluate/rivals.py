"""What the classifier has to beat: the base model's own answers, and answers without a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured, Progress, capture
from superneurons.errors import ModelError
from superneurons.probes.logits import CalibratedLogits
from superneurons.probes.text_only import TextOnly
from superneurons.task.lettered import LETTERS, letter_record
from superneurons.task.record import Record
from superneurons.task.unroll import POSITIVE, roll_up, unroll
from superneurons.vlm.answer import LabelWords, generate_answers, label_words, parse_answer
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = [
    "BaseTask",
    "base_task",
    "generated_labels",
    "logits_of",
    "majority_labels",
    "text_only_labels",
]


@dataclass(frozen=True, slots=True)
class BaseTask:
    """A task as the base model is asked it: directly, or by letter.

    Parameters
    ----------
    words
        The label words whose logits are compared; ``None`` where they can't be told apart.
    by_letter
        Whether records bring options of their own, to be answered by letter.
    why_not
        Why there are no label words.
    """

    words: LabelWords | None
    by_letter: bool
    why_not: str = ""

    def asked(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records as the base model is asked them."""
        return [letter_record(record) for record in records] if self.by_letter else records

    def logits(
        self,
        vlm: VLM,
        records: Sequence[Record],
        *,
        prompt: Prompt | None = None,
        batch_size: int = 8,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Return the first-token logits of the labels, shape (N, C) float32."""
        captured = capture(
            vlm, self.asked(records), prompt=prompt, batch_size=batch_size, words=self.words,
            progress=progress,
        )  # fmt: skip
        return logits_of(captured)

    def labels(self, records: Sequence[Record], answers: Sequence[str]) -> list[str]:
        """Turn answers (labels, or letters) into labels of the records."""
        if not self.by_letter:
            return list(answers)
        return [
            (record.options or ())[LETTERS.index(letter)]
            if letter in LETTERS[: len(record.options or ())]
            else ""
            for record, letter in zip(records, answers, strict=True)
        ]

    def raw(self, records: Sequence[Record], logits: NDArray[np.float32]) -> list[str]:
        """Answer by the largest logit."""
        words = self.words.labels if self.words else ()
        return self.labels(records, [words[best] for best in logits.argmax(axis=1)])

    def calibrated(
        self,
        probe: Sequence[Record],
        probe_logits: NDArray[np.float32],
        test: Sequence[Record],
        test_logits: NDArray[np.float32],
    ) -> list[str]:
        """Answer by the logits after calibration on the probing records.

        A label that no probing record has is never answered; where there is only one, there is
        nothing to calibrate, and the raw logits decide.
        """
        truth = np.array([record.label for record in self.asked(probe)])
        words = self.words.labels if self.words else ()
        seen = [index for index, word in enumerate(words) if word in truth]
        if len(seen) < 2:
            return self.raw(test, test_logits)
        read_out = CalibratedLogits().fit(probe_logits[:, seen], truth)
        return self.labels(test, read_out.predict(test_logits[:, seen]).tolist())


def logits_of(captured: Captured) -> NDArray[np.float32]:
    """Return the label logits that were captured along."""
    if captured.label_logits is None:
        raise ModelError("No label logits were captured.", mend="Capture with label words.")
    return captured.label_logits


def base_task(vlm: VLM, records: Sequence[Record], labels: Sequence[str]) -> BaseTask:
    """Decide how the base model is asked these records.

    Parameters
    ----------
    vlm
        The base model.
    records
        The task's records.
    labels
        Their common labels, sorted; empty when each record brings options of its own.
    """
    by_letter = not labels
    words = labels or LETTERS[: max(len(record.options or ()) for record in records)]
    try:
        return BaseTask(label_words(vlm.processor, words), by_letter)
    except ModelError as error:
        return BaseTask(None, by_letter, str(error))


def generated_labels(
    vlm: VLM,
    task: BaseTask,
    records: Sequence[Record],
    labels: Sequence[str],
    *,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    progress: Progress | None = None,
) -> list[str]:
    """Let the base model generate, and parse what it says; "" where it names no label."""
    found: list[str] = []
    asked = task.asked(records)
    for start in range(0, len(asked), batch_size):
        batch = asked[start : start + batch_size]
        texts = generate_answers(vlm, vlm.encode(batch, prompt, padding_side="left"))
        found += [
            parse_answer(text, labels or record.options or ()) or ""
            for text, record in zip(texts, batch, strict=True)
        ]
        if progress is not None:
            progress(len(found), len(asked))
    return task.labels(records, found)


def majority_labels(
    probe: Sequence[Record], test: Sequence[Record], labels: Sequence[str]
) -> list[str]:
    """Answer always what is most frequent among the probing records.

    Where records bring options of their own, that is a place among them: the first, the second, …
    A record that has no such option gets "".
    """
    if labels:
        known = [str(record.label) for record in probe]
        return [max(sorted(set(known)), key=known.count)] * len(test)
    places = [(record.options or ()).index(str(record.label)) for record in probe]
    place = max(sorted(set(places)), key=places.count)
    return ["".join((record.options or ())[place : place + 1]) for record in test]


def text_only_labels(
    probe: Sequence[Record], test: Sequence[Record], labels: Sequence[str]
) -> list[str]:
    """Answer from the words of the questions alone: what needs no picture."""
    if labels:
        truth = [str(record.label) for record in probe]
        model = TextOnly().fit([record.question for record in probe], truth)
        return [str(label) for label in model.predict([record.question for record in test])]
    known, asked = unroll(probe), unroll(test)
    truth = [str(record.label) for record in known.records]
    model = TextOnly().fit([record.question for record in known.records], truth)
    odds = model.predict_proba([record.question for record in asked.records])
    return roll_up(odds[:, list(model.classes_).index(POSITIVE)], asked)
