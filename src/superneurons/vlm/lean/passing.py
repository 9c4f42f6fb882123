"""A pass that stops where it is told to, and goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import nn

from superneurons.errors import ModelError
from superneurons.vlm.lean.decoder import DecoderLayer, Pending, Rope
from superneurons.vlm.lean.dense import UnknownPartError
from superneurons.vlm.lean.tokens import Row, begun, merged, three_axes
from superneurons.vlm.lean.tower import Grid, Seen, Tower
from superneurons.vlm.taps import Kind

__all__ = ["Lean", "Reached"]

# Lengths of prompts whose angles are kept.
_MOST_ROPES = 256
_States = Mapping[tuple[Kind, str], tuple[torch.Tensor, ...]]


@dataclass(frozen=True)
class Reached:
    """How far a batch has come.

    Parameters
    ----------
    layer
        Decoder layers passed where they are read; after a lean last layer the other positions are
        one behind.
    hidden
        Shape (B, T, D), after ``layer`` layers, or one less while something is pending.
    rope
        Angles of the positions.
    last, images
        Index of each row's last token, and which tokens stand for pictures, (B,) and (B, T).
    additions
        What is added to ``hidden`` after the first layers, each (B, T, D).
    states
        For each kind and position that is read, (B, W) of each layer passed.
    pending
        What the last layer has kept for the positions that weren't read.
    """

    layer: int
    hidden: torch.Tensor
    rope: Rope
    last: torch.Tensor
    images: torch.Tensor
    additions: tuple[torch.Tensor, ...]
    states: _States
    pending: Pending | None = None

    def at(self, kind: Kind = "residual", position: str = "last_prompt") -> torch.Tensor:
        """What was read of the layers passed, shape (B, layers, W)."""
        return torch.stack(self.states[kind, position], dim=1)

    def rows(self, index: torch.Tensor) -> Reached:
        """Return how far some of the batch's records have come, by index or mask."""
        cos, sin = (part.expand(len(self.hidden), -1, -1)[index] for part in self.rope)
        kept = self.pending
        return replace(
            self,
            hidden=self.hidden[index],
            rope=(cos, sin),
            last=self.last[index],
            images=self.images[index],
            additions=tuple(part[index] for part in self.additions),
            states={k: tuple(part[index] for part in v) for k, v in self.states.items()},
            pending=kept and Pending(kept.normed[index], kept.keys[index]),
        )


@dataclass(frozen=True, eq=False)
class Lean:
    """The passes of a known family over a model's own weights.

    No cache, no generation, no part that isn't needed for what is read. Everything is a function
    of tensors that never waits for the device, so that it can be captured as a graph.

    Parameters
    ----------
    tower
        What sees the pictures.
    layers
        The decoder layers.
    vectors
        Of the words, shape (V, D).
    turn
        The model's own angles: (hidden, positions) to cosines and sines.
    norm, head
        What makes logits of the last layer; ``None`` where they weren't loaded.
    image_token
        Id of the token that stands for a piece of a picture.
    three_axes
        Whether positions have three axes.
    begin
        What embeds a batch: :func:`~superneurons.vlm.lean.tokens.begun`, or the same compiled.
    """

    tower: Tower
    layers: tuple[DecoderLayer, ...]
    vectors: torch.Tensor
    turn: Callable[[torch.Tensor, torch.Tensor], Rope]
    norm: nn.Module | None
    head: nn.Module | None
    image_token: int
    three_axes: bool
    begin: Callable[..., tuple[torch.Tensor, Row]] = begun
    _ropes: dict[int, Rope] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, model: nn.Module, tower: Tower) -> Lean:
        """Share a model's weights.

        Parameters
        ----------
        model
            The model, whole or cut off.
        tower
            Its vision tower and projector.

        Raises
        ------
        UnknownPartError
            When its decoder is of another kind.
        """
        whole = cast(Any, model)
        decoder = whole.model.language_model
        rope_type = getattr(decoder.rotary_emb, "rope_type", "default")
        if rope_type not in ("default", "linear", "llama3", "yarn"):
            raise UnknownPartError(f"positions of type {rope_type!r}, which depend on the length")
        if getattr(decoder.config, "use_sliding_window", False):
            raise UnknownPartError("attention to a sliding window")
        return cls(
            tower=tower,
            layers=tuple(DecoderLayer.of(layer) for layer in decoder.layers),
            vectors=_vectors(whole.get_input_embeddings()),
            turn=decoder.rotary_emb,
            norm=getattr(decoder, "norm", None),
            head=whole.get_output_embeddings(),
            image_token=int(whole.config.image_token_id),
            three_axes=hasattr(decoder.rotary_emb, "mrope_section"),
        )

    def start(
        self,
        tensors: Mapping[str, torch.Tensor],
        kinds: Sequence[Kind] = ("residual",),
        positions: Sequence[str] = ("last_prompt",),
        *,
        grids: tuple[Grid, ...] | None = None,
        deepest: int | None = None,
    ) -> Reached:
        """Look at the pictures and put them among the words: everything before the first layer.

        Parameters
        ----------
        tensors
            What the model's ``forward`` takes.
        kinds, positions
            What will be read, each kind at each position.
        grids
            Patches of each picture, where they are known already.
        deepest
            Layers that will run at most; what only later ones need isn't computed.
        """
        grids = self.tower.grids(tensors) if grids is None else grids
        deep = None if deepest is None else max(0, deepest - 1)
        return self.join(
            tensors, self.tower.see(tensors, grids, deep=deep), grids, kinds, positions
        )

    def join(
        self,
        tensors: Mapping[str, torch.Tensor],
        seen: Seen,
        grids: tuple[Grid, ...],
        kinds: Sequence[Kind] = ("residual",),
        positions: Sequence[str] = ("last_prompt",),
    ) -> Reached:
        """Put pictures that were looked at among the words; see :meth:`start`."""
        ids, mask = tensors["input_ids"], tensors["attention_mask"]
        tokens = cast(torch.Tensor, seen.tokens)
        hidden, row = self.begin(ids, mask, self.vectors, tokens, self.image_token)
        nothing = torch.zeros_like(hidden) if seen.deep else hidden
        return Reached(
            layer=0,
            hidden=hidden,
            rope=self._rope(hidden, row.images, grids),
            last=row.last,
            images=row.images,
            additions=tuple(merged(nothing, row.images, deep) for deep in seen.deep),
            states={(kind, position): () for kind in kinds for position in positions},
        )

    def _rope(self, hidden: torch.Tensor, images: torch.Tensor, grids: tuple[Grid, ...]) -> Rope:
        if self.three_axes:
            tokens = tuple(self.tower.tokens(grid) for grid in grids)
            return self.turn(hidden, three_axes(images, tokens))
        size = hidden.shape[1]
        rope = self._ropes.get(size)
        if rope is None:
            rope = self.turn(hidden, torch.arange(size, device=hidden.device)[None])
            if len(self._ropes) < _MOST_ROPES:  # and never dropped: recorded graphs read them
                self._ropes[size] = rope
        return rope

    def advance(self, reached: Reached, layer: int, *, last: bool = False) -> Reached:
        """Run decoder layers up to ``layer``.

        Parameters
        ----------
        reached
            How far the batch has come.
        layer
            The last layer to pass, from ``reached.layer`` on.
        last
            Compute that layer only for the last token of each row, where nothing else is read.

        Raises
        ------
        ModelError
            When there is no such layer, or it has been passed.
        """
        if not reached.layer <= layer <= len(self.layers):
            raise ModelError(
                f"The pass cannot go from layer {reached.layer} to layer {layer}.",
                where=f"layer {layer}",
                mend=f"Choose a layer from {reached.layer} to {len(self.layers)}.",
            )
        while reached.layer < layer:
            reached = self.settled(reached)
            only_last = last and reached.layer + 1 == layer and _reads_last(reached.states)
            reached = self._at_last(reached) if only_last else self._through(reached)
        return reached

    def settled(self, reached: Reached) -> Reached:
        """Complete a layer that ran only where it was read."""
        if reached.pending is None:
            return reached
        layer = self.layers[reached.layer - 1]
        passed = layer.completed(reached.hidden, reached.pending, reached.rope)
        hidden = self._added(reached, reached.layer - 1, passed.residual)
        return replace(reached, hidden=hidden, pending=None)

    def _through(self, reached: Reached) -> Reached:
        passed = self.layers[reached.layer].whole(reached.hidden, reached.rope)
        read = {
            key: (*before, _read(getattr(passed, key[0]), key[1], reached))
            for key, before in reached.states.items()
        }
        hidden = self._added(reached, reached.layer, passed.residual)
        return replace(reached, layer=reached.layer + 1, hidden=hidden, states=read)

    def _at_last(self, reached: Reached) -> Reached:
        layer = self.layers[reached.layer]
        passed, pending = layer.read_last(reached.hidden, reached.rope, reached.last)
        read = {
            key: (*before, cast(torch.Tensor, getattr(passed, key[0])))
            for key, before in reached.states.items()
        }
        return replace(reached, layer=reached.layer + 1, states=read, pending=pending)

    def _added(self, reached: Reached, index: int, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + reached.additions[index] if index < len(reached.additions) else hidden

    def logits(self, reached: Reached) -> torch.Tensor:
        """Logits of the next token, shape (B, V), float32, once all layers are passed.

        Raises
        ------
        ModelError
            Before that, or where norm and head weren't loaded, or the residual stream isn't read.
        """
        key = ("residual", "last_prompt")
        if reached.layer < len(self.layers) or self.norm is None or key not in reached.states:
            raise ModelError(
                f"A pass that has reached layer {reached.layer} gives no logits.",
                where=f"layer {reached.layer}",
                mend="Open the whole model, and advance to its last layer.",
            )
        state = reached.states[key][-1]  # type: ignore[index]
        return cast(torch.Tensor, cast(Any, self.head)(self.norm(state))).float()


def _vectors(module: nn.Module) -> torch.Tensor:
    if type(module) is not nn.Embedding:
        raise UnknownPartError(f"embeddings of type {type(module).__name__}")
    return module.weight.detach()


def _reads_last(states: _States) -> bool:
    return all(position == "last_prompt" for _, position in states)


def _read(values: torch.Tensor, position: str, reached: Reached) -> torch.Tensor:
    """(B, T, W) to (B, W); over pictures in float32."""
    if position == "last_prompt":
        return values[torch.arange(len(values), device=values.device), reached.last]
    images = reached.images[..., None]
    if position == "image_max":
        return values.float().masked_fill(~images, -torch.inf).amax(dim=1)
    return values.float().masked_fill(~images, 0).sum(dim=1) / images.sum(dim=1)
