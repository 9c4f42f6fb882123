"""Run a model from stage to stage, with only the records that are not answered yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.activations.capture import to_float16
from superneurons.shortcut.cascade_stages import SITE, Answer, Stage
from superneurons.shortcut.form import Form, answered
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.prompt import Prompt

__all__ = ["Anew", "GoneOn", "RunPath", "Way", "live_stages", "run_stages"]

RunPath: TypeAlias = Literal["lean", "anew"]
"""``lean``: each stage goes on from the state that the one before it reached. ``anew``: each
stage runs the model cut off there from the beginning, for families that cannot be stopped."""


class Way(Protocol):
    """A batch on its way through a model."""

    def activations(self, layer: int) -> NDArray[np.float16]:
        """Run to a layer; what the layers passed leave at the last prompt token, (B, L, W)."""

    def logits(self, words: LabelWords) -> NDArray[np.float32]:
        """Run to the end; logits of the label words, shape (B, C)."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with only these of the records that are left."""


class GoneOn:
    """Goes on from the state reached: no layer runs twice for a record.

    Parameters
    ----------
    lean
        The passes of the model.
    inputs
        The batch.
    deepest
        Layers that will run at most.
    """

    def __init__(self, lean: Lean, inputs: Inputs, deepest: int) -> None:
        self._lean = lean
        with torch.inference_mode():
            self._reached = lean.start(inputs.tensors, deepest=deepest)

    @torch.inference_mode()
    def activations(self, layer: int) -> NDArray[np.float16]:
        """Run the layers that are missing."""
        self._reached = self._lean.advance(self._reached, layer, last=True)
        return to_float16(self._reached.at(SITE.kind, SITE.position))

    @torch.inference_mode()
    def logits(self, words: LabelWords) -> NDArray[np.float32]:
        """Run the layers that are missing, and the head."""
        self._reached = self._lean.advance(self._reached, len(self._lean.layers), last=True)
        pooled: NDArray[np.float32] = words.pool(self._lean.logits(self._reached)).cpu().numpy()
        return pooled

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Drop the state of the others."""
        index = torch.from_numpy(rows).to(self._reached.hidden.device)
        with torch.inference_mode():
            self._reached = self._reached.rows(index)


class Anew:
    """Runs the model cut off at each stage from the beginning.

    Parameters
    ----------
    vlm
        The model, as deep as any stage.
    asked, inputs
        The batch as the model is asked it, and as its inputs.
    prompt
        How it is asked.
    """

    def __init__(self, vlm: VLM, asked: Sequence[Record], inputs: Inputs, prompt: Prompt) -> None:
        self._vlm, self._asked, self._inputs, self._prompt = vlm, list(asked), inputs, prompt

    def activations(self, layer: int) -> NDArray[np.float16]:
        """Run layers 1 … ``layer``."""
        states = self._vlm.truncated(layer).last_states(self._inputs, (SITE.kind,))
        return to_float16(states.parts[SITE.kind])

    def logits(self, words: LabelWords) -> NDArray[np.float32]:
        """Run the whole model."""
        states = self._vlm.last_states(self._inputs, logits=True)
        assert states.logits is not None
        pooled: NDArray[np.float32] = words.pool(states.logits).cpu().numpy()
        return pooled

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Make a batch of these records alone."""
        self._asked = [self._asked[row] for row in rows.tolist()]
        self._inputs = self._vlm.encode(self._asked, self._prompt)


def live_stages(stages: Sequence[Stage]) -> list[int]:
    """Return the numbers of the stages that can answer anything: the others need no stop.

    Those that never do are left out, and those after one that always does.
    """
    live = []
    for number, stage in enumerate(stages):
        if stage.threshold < math.inf:
            live.append(number)
        if stage.threshold <= 0:
            break
    return live


def run_stages(
    way: Way,
    stages: Sequence[Stage],
    records: Sequence[Record],
    asked: Sequence[Record],
    *,
    form: Form,
    labels: Sequence[str],
    words: LabelWords | None,
) -> list[tuple[int, Answer]]:
    """Answer a batch, each record at the first stage that is sure enough of it.

    Parameters
    ----------
    way
        The batch on its way through the model.
    stages
        In the order of their layers; the last one that is live answers all that reach it.
    records, asked
        The B records as they were given, and as the model is asked them.
    form, labels
        As for :func:`~superneurons.shortcut.form.answered`.
    words
        What the base model's own answer is read from.

    Returns
    -------
    list of (int, (str, dict))
        For each record the number of the stage, and its answer.

    Raises
    ------
    DataError
        When an activation is no finite number, or a record allows no answer that is known.
    """
    found: dict[int, tuple[int, Answer]] = {}
    going = np.arange(len(records))
    for number in live_stages(stages):
        stage = stages[number]
        left = [records[i] for i in going.tolist()]
        X = _read(way, stage, [asked[i] for i in going.tolist()], words)
        answers = answered(left, X, stage.read_out, form, labels)
        sure = np.array([max(shares.values()) for _, shares in answers]) >= stage.threshold
        for row in np.flatnonzero(sure).tolist():
            found[int(going[row])] = (number, answers[row])
        if sure.all():
            break
        if sure.any():
            way.keep(np.flatnonzero(~sure))
        going = going[~sure]
    return [found[i] for i in range(len(records))]


def _read(
    way: Way, stage: Stage, asked: Sequence[Record], words: LabelWords | None
) -> NDArray[Any]:
    if not stage.is_base:
        return stage.take(way.activations(stage.layer), asked)
    assert words is not None
    return way.logits(words)
