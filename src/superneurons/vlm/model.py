"""An opened model: encode records, run it to a depth, read its last prompt position."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import nn

from superneurons.errors import DataError, ModelError, Problem
from superneurons.task.images import open_image
from superneurons.task.record import Record
from superneurons.vlm.family import Family, part
from superneurons.vlm.head import Head
from superneurons.vlm.inputs import TEXT_INPUTS, Inputs, LastStates
from superneurons.vlm.patches import patch_averages
from superneurons.vlm.pixels_processor import Opener, opener_on, processor_on
from superneurons.vlm.positions import PromptPosition, Read, reads_at
from superneurons.vlm.preparation import Preparation, check_preparation
from superneurons.vlm.prompt import Prompt, adds_special_tokens
from superneurons.vlm.refusal import taken_or_refused
from superneurons.vlm.resolution import at_resolution, resolution_of
from superneurons.vlm.taps import PICTURE_KINDS, Kind, head_dim, recording, shape_of
from superneurons.vlm.tower import (
    cut_tower,
    layers_read,
    stopping_after,
    tower_layers,
    without_decoder,
)
from superneurons.vlm.truncate import truncate

__all__ = ["VLM", "Inputs", "LastStates"]


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
    preparation
        Where pictures are prepared: on the model's ``device``, by its ``processor``; ``auto``: on a
        GPU, where that is known to give the same; ``jpeg``: on the device, and JPEG files are
        decoded there too, whose pixels differ a little from Pillow's.

    Raises
    ------
    ModelError
        When there is no such preparation.
    """

    model: nn.Module
    processor: Any
    family: Family
    name: str
    n_layers: int
    revision: str | None = None
    preparation: Preparation = "auto"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _encoding: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_preparation(self.preparation)

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
    def _config(self) -> Any:
        return cast(Any, self.model).config

    @property
    def hidden_size(self) -> int:
        """Width D of the residual stream."""
        return int(cast(Any, self.model).get_input_embeddings().weight.shape[1])

    @property
    def device(self) -> torch.device:
        """Where its inputs go, and its weights are: the first where there are several."""
        weight: torch.Tensor = cast(Any, self.model).get_input_embeddings().weight
        return weight.device

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """All devices that hold weights of it, :attr:`device` first."""
        return tuple(dict.fromkeys([self.device, *(p.device for p in self.model.parameters())]))

    @property
    def device_name(self) -> str:
        """All its devices, for reports: ``cuda:0, cuda:1``."""
        return ", ".join(map(str, self.devices))

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of its weights."""
        return next(self.model.parameters()).dtype

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return head_dim(self.model)

    def shape(self, kind: Kind) -> tuple[int, int]:
        """Layers and width (L, W) of what a kind of site gives, of the layers it runs.

        Raises
        ------
        ModelError
            When the model has no such part.
        """
        return shape_of(self.model, self.family, kind)

    def truncated(self, depth: int) -> VLM:
        """Return the same model cut off after ``depth`` decoder layers, sharing its weights.

        Raises
        ------
        ModelError
            When ``depth`` is not between 1 and the number of layers.
        """
        return replace(self, model=truncate(self.model, self.family, depth))

    def seeing(self, tower_layers: int | None = None) -> VLM:
        """Return the same model for its pictures alone, sharing its weights: no decoder layer.

        Parameters
        ----------
        tower_layers
            How many layers of the vision tower it has; by default those that the projector reads.
            With fewer, there is no site but ``vision``.

        Raises
        ------
        ModelError
            When the tower has fewer.
        """
        read = layers_read(self._config, self.family)
        if tower_layers is None:
            tower_layers = min(read, self._tower_depth)
        model = cut_tower(self.model, self.family, tower_layers)
        return replace(self, model=without_decoder(model, self.family))

    @property
    def _tower_depth(self) -> int:
        return len(tower_layers(self.model, self.family))

    @property
    def resolution(self) -> int:
        """Side of the square that pictures are seen as, in pixels.

        Where they keep their shape, of a square of the largest size allowed.
        """
        return resolution_of(self.model, self.processor, self.family)

    def at_resolution(self, pixels: int) -> VLM:
        """Return the same model for pictures of ``pixels`` × ``pixels``, sharing its weights.

        Where the model takes pictures of any shape, they keep it, and have at most as many pixels.

        Raises
        ------
        ModelError
            When it cannot see pictures of that size; lists every problem.
        """
        model, processor = at_resolution(self.model, self.processor, self.family, pixels)
        return replace(self, model=model, processor=processor)

    def require_whole(self, what: str) -> None:
        """Refuse to go on with a model that was cut off.

        Parameters
        ----------
        what
            What only the whole model gives: ``logits``.

        Raises
        ------
        ModelError
            When it runs fewer decoder layers than there are.
        """
        if self.depth < self.n_layers:
            raise ModelError(
                f"A model cut off after layer {self.depth} of {self.n_layers} gives no {what}.",
                where=f"layer {self.depth}",
                mend="Ask the whole model.",
            )

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
        texts = [
            prompt.render(self.processor, r.question, len(r.images), family=self.family)
            for r in records
        ]
        prepare, opened = self._encoder()
        images = [[opened(image) for image in record.images] for record in records]

        def prepared(rows: slice) -> Any:
            with self._encoding:  # a tokenizer can be asked by one thread at a time
                return prepare(
                    images=images[rows],
                    text=texts[rows],
                    padding=True,
                    padding_side=padding_side,
                    add_special_tokens=adds_special_tokens(self.processor, texts[0]),
                    return_tensors="pt",
                )

        batch = taken_or_refused(prepared, records, images, self.processor)
        mask = batch["attention_mask"]
        positions = torch.arange(mask.shape[1]).expand_as(mask)
        last = (positions * mask).argmax(dim=1)
        tensors = {name: self._to_device(value) for name, value in batch.items()}
        return Inputs(tensors, last, tuple(len(record.images) for record in records))

    def _encoder(self) -> tuple[Any, Opener]:
        """The processor, or one that prepares pictures on the device; and what opens them."""
        place = self.device.type if self.preparation == "auto" else self.preparation
        if place not in ("cuda", "device", "jpeg"):
            return self.processor, open_image
        mark = str(self.processor.tokenizer.convert_ids_to_tokens(self._config.image_token_id))
        found = processor_on(self.device, self.processor, self.family, mark)
        there = place == "jpeg"
        opened = opener_on(self.device, self.processor, found) if there else open_image
        return found.processor or self.processor, opened

    def _refuse_picture_marks(self, records: Sequence[Record]) -> None:
        """A mark for a picture within a question would take the place of a picture."""
        number = self._config.image_token_id
        named = (self.family.picture_mark, getattr(self.processor, "image_token", None))
        piece = str(self.processor.tokenizer.convert_ids_to_tokens(number))
        marks = dict.fromkeys(mark for mark in (piece, *named) if mark)
        problems = [
            Problem(record.id or f"record {index}", f"the question holds {mark!r}")
            for index, record in enumerate(records)
            for mark in marks
            if mark in record.question
        ]
        if problems:
            raise DataError(
                "Some questions hold the model's own mark for a picture.",
                problems=problems,
                mend=f"Leave {' and '.join(map(repr, marks))} out: the pictures are put before or "
                "after the question.",
            )

    def _to_device(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(self.device, self.dtype if value.is_floating_point() else None)

    @torch.inference_mode()
    def last_states(
        self,
        inputs: Inputs,
        kinds: Sequence[Kind] = ("residual",),
        positions: Sequence[PromptPosition] = ("last_prompt",),
        *,
        logits: bool = False,
    ) -> LastStates:
        """Run the layers it has once and return what they leave at the last token.

        Where nothing but pictures is read, no decoder layer runs.

        Parameters
        ----------
        inputs
            From :meth:`encode`.
        kinds
            What is read.
        positions
            Where each kind of the decoder is read. Over the pictures' tokens it is what a layer
            itself returns: features that a model adds there after it (DeepStack) don't count.
        logits
            Also return the logits of the next token.

        Raises
        ------
        ModelError
            When logits are asked of a model that was cut off: only the whole one has any; or when
            the model lacks the part that is to be read.
        """
        if logits:
            self.require_whole("logits")
        self._require_parts(kinds)
        reads = self._reads(inputs, kinds, positions)
        with self._lock, recording(self.model, self.family, reads) as found:
            hidden = self._run(inputs, None if logits else kinds)
        stacked = {
            place: torch.stack([state.to(self.device) for state in states], dim=1)
            for place, states in found.items()
        }
        parts = {kind: s for (kind, at), s in stacked.items() if at == "last_prompt"}
        over_image = {place: s for place, s in stacked.items() if place[1] != "last_prompt"}
        if not logits:
            return LastStates(parts, None, over_image)
        rows, last = torch.arange(len(inputs), device=self.device), inputs.last.to(self.device)
        logits_of = Head(self.model, self.family)
        return LastStates(parts, logits_of(hidden[rows, last]), over_image)

    def _require_parts(self, kinds: Sequence[Kind]) -> None:
        if not self.depth and not set(kinds) <= set(PICTURE_KINDS):
            raise ModelError(
                f"A model opened without decoder layers has no site but those of pictures: "
                f"{', '.join(PICTURE_KINDS)}.",
                where=", ".join(kinds),
                mend="Open the model with as many layers as are read (depth), or with all.",
            )
        for kind in kinds:
            self.shape(kind)
        there, read = self._tower_depth, layers_read(self._config, self.family)
        if there < read and set(kinds) != {"vision"}:
            raise ModelError(
                f"A vision tower cut off after layer {there} has no site but its own layers: the "
                f"projector reads layer {read}.",
                where=", ".join(kinds),
                mend=f"Keep {read} layers of the tower, or read the site vision.",
            )

    def _reads(
        self, inputs: Inputs, kinds: Sequence[Kind], positions: Sequence[PromptPosition]
    ) -> dict[Kind, Mapping[PromptPosition, Read]]:
        """What is taken of each kind: of pictures one average, of the decoder every position."""
        at_tokens = reads_at(
            positions, inputs.tensors["input_ids"], inputs.last.to(self.device),
            int(self._config.image_token_id),
        )  # fmt: skip
        over_patches = patch_averages(self.model, self.family, inputs.tensors, inputs.pictures)
        return {
            kind: {"last_prompt": over_patches[kind]} if kind in over_patches else at_tokens
            for kind in kinds
        }

    def _run(self, inputs: Inputs, kinds: Sequence[Kind] | None) -> Any:
        """Run the trunk and return its last hidden state; or only what these kinds need of it."""
        trunk = cast(Any, part(self.model, self.family.trunk, family=self.family.name))
        if kinds is None or not set(kinds) <= set(PICTURE_KINDS):
            return trunk(**inputs.tensors, use_cache=False).last_hidden_state
        seen = {k: v for k, v in inputs.tensors.items() if k not in TEXT_INPUTS}
        if "projector" in kinds:
            return trunk.get_image_features(**seen)
        with stopping_after(tower_layers(self.model, self.family)[-1]):
            return trunk.get_image_features(**seen)
