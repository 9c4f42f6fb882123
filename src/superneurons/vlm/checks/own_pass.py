"""Made-up records, and a model's own forward pass over one of them, watched or started midway."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.hooks import RemovableHandle

from superneurons.task.record import Record
from superneurons.vlm.family import part
from superneurons.vlm.model import VLM, Inputs

__all__ = ["Cut", "OwnPass", "cut_pass", "made_up_records", "own_pass", "restarted"]

_SIZES = ((48, 48), (72, 40))
_LARGEST = 2**30


def made_up_records() -> tuple[Record, Record, Record]:
    """Noise in two sizes: two records with one picture, one with both; questions of two lengths."""
    rng = np.random.default_rng(0)
    square, wide = (
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in _SIZES
    )
    short = "Is it bright? Answer yes or no."
    return (
        Record((square,), short),
        Record((wide,), "Is it so that this picture is a bright one? Answer yes or no."),
        Record((square, wide), short),
    )


@dataclass(frozen=True)
class OwnPass:
    """What a model's own forward pass over one record leaves at the last prompt token.

    Parameters
    ----------
    order
        Numbers of the decoder layers in the order they ran in, from 1.
    given, left
        What each of them was given and left there, shape (1, runs, D).
    to_norm, to_head
        What the final norm and the head were given there, shape (1, D); ``None`` where they didn't
        run.
    logits
        Of the next token, shape (1, V) float32; ``None`` where only every token's can be had, and
        they don't fit.
    """

    order: tuple[int, ...]
    given: torch.Tensor
    left: torch.Tensor
    to_norm: torch.Tensor | None
    to_head: torch.Tensor | None
    logits: torch.Tensor | None


@torch.inference_mode()
def own_pass(vlm: VLM, inputs: Inputs) -> OwnPass:
    """Run a model's own forward pass and watch its parts.

    Parameters
    ----------
    vlm
        The whole model.
    inputs
        One record, so that nothing is padded.
    """
    order: list[int] = []
    given: list[torch.Tensor] = []
    left: list[torch.Tensor] = []
    to_norm: list[torch.Tensor] = []
    to_head: list[torch.Tensor] = []
    norm = part(vlm.model, vlm.family.norm, family=vlm.family.name)
    head = cast(Any, vlm.model).get_output_embeddings()

    def came_to(number: int) -> Callable[[torch.Tensor], None]:
        def note(value: torch.Tensor) -> None:
            order.append(number)
            given.append(value[:, -1])

        return note

    with vlm._lock, ExitStack() as hooks:  # other threads must not meet the hooks
        for number, layer in enumerate(vlm.layers, start=1):
            hooks.enter_context(_before(layer, came_to(number)))
            hooks.enter_context(_after(layer, lambda value: left.append(value[:, -1])))
        hooks.enter_context(_before(norm, lambda value: to_norm.append(value[:, -1])))
        hooks.enter_context(_before(head, lambda value: to_head.append(value[:, -1])))
        logits = _forward(vlm, inputs)
    return OwnPass(
        tuple(order),
        torch.stack([value.to(vlm.device) for value in given], dim=1),
        torch.stack([value.to(vlm.device) for value in left], dim=1),
        to_norm[-1] if to_norm else None,
        to_head[-1] if to_head else None,
        logits,
    )


@dataclass(frozen=True)
class Cut:
    """What a model cut off after a layer leaves of one record.

    Parameters
    ----------
    depth
        The layer.
    residual
        After each layer at the last prompt token, shape (1, depth, D).
    state
        After the last one at every token, shape (1, T, D).
    """

    depth: int
    residual: torch.Tensor
    state: torch.Tensor


def cut_pass(vlm: VLM, depth: int, inputs: Inputs) -> Cut:
    """Cut a model off after a layer and run it over one record."""
    cut = vlm.truncated(depth)
    found: list[torch.Tensor] = []
    with _after(cut.layers[-1], lambda value: found.append(value.clone())):
        residual = cut.last_states(inputs).residual
    return Cut(depth, residual, found[-1])


@torch.inference_mode()
def restarted(vlm: VLM, cut: Cut, inputs: Inputs) -> torch.Tensor | None:
    """Return the logits that a model's own forward pass makes of the state after a layer.

    That layer leaves the state, whatever it computes; it and those before it are given zeros.
    What a model adds between layers (DeepStack) is still added.

    Parameters
    ----------
    vlm
        The whole model.
    cut
        What it was cut off at, and left.
    inputs
        The record.

    Returns
    -------
    Tensor of shape (1, V), float32
        As in :class:`OwnPass`.
    """
    with vlm._lock, ExitStack() as hooks:
        for layer in vlm.layers[: cut.depth]:
            hooks.enter_context(_given_nothing(layer))
        hooks.enter_context(_leaving(vlm.layers[cut.depth - 1], cut.state))
        return _forward(vlm, inputs)


def _forward(vlm: VLM, inputs: Inputs) -> torch.Tensor | None:
    model = cast(Any, vlm.model)
    options: Mapping[str, Any] = {"use_cache": False}
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        options = {**options, "logits_to_keep": 1}
    elif _size(model, inputs) > _LARGEST:
        cast(Any, part(model, vlm.family.trunk, family=vlm.family.name))(
            **inputs.tensors, **options
        )
        return None
    return cast(torch.Tensor, model(**inputs.tensors, **options).logits[:, -1].float())


def _size(model: Any, inputs: Inputs) -> int:
    """Bytes of the logits of every token."""
    weight = model.get_output_embeddings().weight
    return int(inputs.tensors["input_ids"].numel() * weight.shape[0] * weight.element_size())


@contextmanager
def _before(module: nn.Module, note: Callable[[torch.Tensor], None]) -> Iterator[None]:
    def hook(_module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        note(args[0] if args else options["hidden_states"])

    with _hooked(module.register_forward_pre_hook(hook, with_kwargs=True)):
        yield


@contextmanager
def _after(module: nn.Module, note: Callable[[torch.Tensor], None]) -> Iterator[None]:
    def hook(_module: nn.Module, _args: Any, output: Any) -> None:
        note(output[0] if isinstance(output, tuple) else output)

    with _hooked(module.register_forward_hook(hook)):
        yield


@contextmanager
def _given_nothing(layer: nn.Module) -> Iterator[None]:
    def hook(_module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if args:
            return (torch.zeros_like(args[0]), *args[1:]), options
        return args, {**options, "hidden_states": torch.zeros_like(options["hidden_states"])}

    with _hooked(layer.register_forward_pre_hook(hook, with_kwargs=True)):
        yield


@contextmanager
def _leaving(layer: nn.Module, value: torch.Tensor) -> Iterator[None]:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        return (value, *output[1:]) if isinstance(output, tuple) else value

    with _hooked(layer.register_forward_hook(hook)):
        yield


@contextmanager
def _hooked(handle: RemovableHandle) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()
