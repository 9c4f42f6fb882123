"""Where scalars are read in a model: one tap on a module for each kind of site and layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import torch
from torch import nn

from superneurons.errors import ModelError
from superneurons.vlm.family import Family, part
from superneurons.vlm.positions import PromptPosition, Read
from superneurons.vlm.tower import tower_layers

__all__ = ["KINDS", "PICTURE_KINDS", "Kind", "head_dim", "recording", "shape_of"]

Kind: TypeAlias = Literal["residual", "mlp", "heads", "vision", "projector"]
"""What is read: the residual stream after a decoder layer, the MLP neurons (input of the down
projection), the attention heads (input of the output projection), a layer of the vision tower, or
what the projector makes of it (both averaged over the patches of a record's pictures)."""

KINDS: tuple[Kind, ...] = get_args(Kind)
PICTURE_KINDS: tuple[Kind, ...] = ("vision", "projector")
"""The kinds that need no decoder layer, and so no question."""


@dataclass(frozen=True, slots=True)
class _Tap:
    """One module of which the input or the output is read."""

    kind: Kind
    module: nn.Module
    reads_input: bool = False


def head_dim(model: nn.Module) -> int:
    """Width of one attention head: the model's own, which need not be hidden size over heads."""
    text = cast(Any, model).config.get_text_config()
    return int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)


def shape_of(model: nn.Module, family: Family, kind: Kind) -> tuple[int, int]:
    """Layers and width (L, W) of what a kind of site gives.

    Raises
    ------
    ModelError
        When the model has no such part.
    """
    if kind in family.lacks:
        there = [other for other in KINDS if other not in family.lacks]
        raise ModelError(
            f"Models of family {family.name} have no site {kind}.",
            where=kind,
            mend=f"Read one of: {', '.join(there)}.",
        )
    config = cast(Any, model).config
    hidden = int(cast(Any, model).get_input_embeddings().weight.shape[1])
    if kind == "vision":
        width = int(getattr(config.vision_config, family.tower_width))
        return len(tower_layers(model, family)), width
    if kind == "projector":
        return 1, hidden
    modules = [tap.module for tap in _taps(model, family, kind)]
    if kind == "residual" or not modules:  # none where only pictures are read
        return len(modules), hidden if kind == "residual" else 0
    return len(modules), int(cast(Any, modules[0]).in_features)


def _taps(model: nn.Module, family: Family, kind: Kind) -> list[_Tap]:
    if kind == "vision":
        return [_Tap(kind, layer) for layer in tower_layers(model, family)]
    if kind == "projector":
        return [_Tap(kind, part(model, family.projector[-1], family=family.name))]
    layers = cast(nn.ModuleList, part(model, family.layers, family=family.name))
    if kind == "residual":
        return [_Tap(kind, layer) for layer in layers]
    inner = family.mlp_output if kind == "mlp" else family.heads_output
    return [_Tap(kind, part(layer, inner, family=family.name), True) for layer in layers]


@contextmanager
def recording(
    model: nn.Module,
    family: Family,
    reads: Mapping[Kind, Mapping[PromptPosition, Read]],
) -> Iterator[dict[tuple[Kind, PromptPosition], list[torch.Tensor]]]:
    """Collect what passes the taps during one forward pass, layer by layer.

    Hooks see a layer's output before any final norm, and before anything that the model adds
    between layers.

    Parameters
    ----------
    model, family
        What is run.
    reads
        For each kind that is read, what makes one row per record (B, W) of what passes there, by
        the position it is for.
    """
    found: dict[tuple[Kind, PromptPosition], list[torch.Tensor]] = {
        (kind, position): [] for kind, wanted in reads.items() for position in wanted
    }
    handles = []
    # All of them before the first hook: a part that is missing must leave none behind.
    for tap in [tap for kind in reads for tap in _taps(model, family, kind)]:
        wanted = reads[tap.kind]
        keep = _keeper([(found[tap.kind, at], read) for at, read in wanted.items()])
        if tap.reads_input:
            handles.append(tap.module.register_forward_pre_hook(keep))
        else:
            handles.append(tap.module.register_forward_hook(keep))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _keeper(wanted: Sequence[tuple[list[torch.Tensor], Read]]) -> Callable[..., None]:
    """Make a hook: the last it is given is the output, or for a hook before it the input."""

    def keep(_module: nn.Module, *passed: Any) -> None:
        value = passed[-1][0] if isinstance(passed[-1], tuple) else passed[-1]
        for found, read in wanted:
            found.append(read(value).clone())

    return keep
