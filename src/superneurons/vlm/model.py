"""An opened model: encode records, run it to a depth, read its last prompt position."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import nn

from superneurons.errors import DataError, ModelError, Problem
from superneurons.task.images import open_image
from superneurons.task.record import Record
from superneurons.vlm.family import Family, part
from superneurons.vlm.prompt import Prompt, adds_special_tokens
from superneurons.vlm.truncate import truncate

__all__ = ["VLM", "Inputs", "LastStates"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch ready for the model.

    Parameters
    ----------
    tensors
        What the model's ``forward`` takes, on its device.
    last
        Index of the last prompt token of each row, shape (B,).
    """

    tensors: Mapping[str, torch.Tensor]
    last: torch.Tensor

    def __len__(self) -> int:
        return int(self.last.shape[0])


@dataclass(frozen=True, slots=True)
class LastStates:
    """What one forward pass leaves at the last prompt position.

    Parameters
    ----------
    residual
        Residual stream after each layer that ran, shape (B, L, D), the model's dtype. Never
        normed, not even after the last layer.
    logits
        Logits of the first answer token, shape (B, V) float32; ``None`` unless asked for.
    """

    residual: torch.Tensor
    logits: torch.Tensor | None


@dataclass(frozen=True)
class VLM:
    """A vision-language model with its processor and what is known about it.

    Opened by :func:`superneurons.vlm.opening.open_vlm`. One forward pass at a time: a lock makes
    concurrent calls wait.

    Parameters
    ----------
    model
        The ``transformers`` model, in evaluation mode.
    processor
        What turns pictures and text into its inputs.
    family
        Where its parts are.
    name
        How it was asked for: ``demo``, a path or a hub id.
    revision
        The commit, for a model of the hub.
    n_layers
        Decoder layers of the whole model, also when fewer are kept.
    """

    model: nn.Module
    processor: Any
    family: Family
    name: str
    n_layers: int
    revision: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __repr__(self) -> str:
        kept = "" if self.depth == self.n_layers else f", first {self.depth} kept"
        return f"VLM({self.name!r}, {self.family.name}, {self.n_layers} layers{kept}, {self.dtype})"

    def __deepcopy__(self, memo: dict[int, Any]) -> VLM:
        """Return itself: copying an estimator must not load a model twice."""
        return self

    @property
    def layers(self) -> nn.ModuleList:
        """The decoder layers it runs."""
        return cast(nn.ModuleList, part(self.model, self.family.layers, family=self.family.name))

    @property
    def depth(self) -> int:
        """Number of decoder layers it runs."""
        return len(self.layers)

    @property
    def hidden_size(self) -> int:
        """Width D of the residual stream."""
        return int(cast(Any, self.model).get_input_embeddings().weight.shape[1])

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of its weights."""
        return next(self.model.parameters()).dtype

    def truncated(self, depth: int) -> VLM:
        """Return the same model cut off after ``depth`` decoder layers, sharing its weights.

        Raises
        ------
        ModelError
            When ``depth`` is not between 1 and the number of layers.
        """
        return replace(self, model=truncate(self.model, self.family, depth))

    def encode(
        self,
        records: Sequence[Record],
        prompt: Prompt | None = None,
        *,
        padding_side: str = "right",
    ) -> Inputs:
        """Turn records into a batch of model inputs.

        Parameters
        ----------
        records
            At least one.
        prompt
            How they are asked; the model's chat template, picture first, by default.
        padding_side
            ``"right"`` keeps every row's positions as if it were alone; ``"left"`` is what
            ``generate`` needs.

        Raises
        ------
        DataError
            When a picture cannot be read, the processor refuses one (such as one that is too
            narrow for it), or a question holds the model's own mark for a picture.
        """
        prompt = prompt or Prompt()
        self._refuse_picture_marks(records)
        texts = [prompt.render(self.processor, r.question, len(r.images)) for r in records]
        images = [[open_image(image) for image in record.images] for record in records]
        try:
            batch = self.processor(
                images=images,
                text=texts,
                padding=True,
                padding_side=padding_side,
                add_special_tokens=adds_special_tokens(self.processor, texts[0]),
                return_tensors="pt",
            )
        except ValueError as error:
            raise DataError(
                f"The model's processor refuses a picture or question: {error}",
                where=f"records {records[0].id or 0} … {records[-1].id or len(records) - 1}",
                mend="Change that picture or question, or leave its record out.",
            ) from error
        mask = batch["attention_mask"]
        positions = torch.arange(mask.shape[1]).expand_as(mask)
        last = (positions * mask).argmax(dim=1)
        return Inputs({name: self._to_device(value) for name, value in batch.items()}, last)

    def _refuse_picture_marks(self, records: Sequence[Record]) -> None:
        """A mark for a picture within a question would take the place of a picture."""
        number = cast(Any, self.model).config.image_token_id
        mark = str(self.processor.tokenizer.convert_ids_to_tokens(number))
        problems = [
            Problem(record.id or f"record {index}", f"the question holds {mark!r}")
            for index, record in enumerate(records)
            if mark in record.question
        ]
        if problems:
            raise DataError(
                "Some questions hold the model's own mark for a picture.",
                problems=problems,
                mend=f"Leave {mark!r} out: the pictures are put before or after the question.",
            )

    def _to_device(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(self.device, self.dtype if value.is_floating_point() else None)

    @torch.inference_mode()
    def last_states(self, inputs: Inputs, *, logits: bool = False) -> LastStates:
        """Run the layers it has once and return what they leave at the last prompt position.

        Parameters
        ----------
        inputs
            From :meth:`encode`.
        logits
            Also return the logits of the first answer token.

        Raises
        ------
        ModelError
            When logits are asked of a model that was cut off: only the whole one has any.
        """
        if logits and self.depth < self.n_layers:
            raise ModelError(
                f"A model cut off after layer {self.depth} of {self.n_layers} gives no logits.",
                where=f"layer {self.depth}",
                mend="Ask the whole model.",
            )
        rows = torch.arange(len(inputs), device=self.device)
        last = inputs.last.to(self.device)
        trunk = part(self.model, self.family.trunk, family=self.family.name)
        with self._lock, _recording(self.layers, rows, last) as residual:
            output = trunk(**inputs.tensors, use_cache=False)
        found = None
        if logits:
            head = cast(Any, self.model).get_output_embeddings()
            found = head(output.last_hidden_state[rows, last]).float()
        return LastStates(torch.stack(residual, dim=1), found)


@contextmanager
def _recording(
    layers: nn.ModuleList, rows: torch.Tensor, last: torch.Tensor
) -> Iterator[list[torch.Tensor]]:
    """Collect each layer's output at ``last``: hooks see it before any final norm."""
    found: list[torch.Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        found.append(hidden[rows, last].clone())

    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
