"""Tell whether a classifier and a model belong together, from what the classifier runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import nn

from superneurons.vlm.family import part
from superneurons.vlm.model import VLM
from superneurons.vlm.resolution import ResizedPositions
from superneurons.vlm.tower import layers_read, tower_layers

__all__ = ["fingerprint"]

_SAMPLES = 64


@torch.inference_mode()
def fingerprint(vlm: VLM, depth: int, *, head: bool = False, tower: int | None = None) -> str:
    """Return a SHA-256 of the parts that run up to decoder layer ``depth``.

    Vision tower, projector, embeddings and layers 1 … ``depth``: names, shapes and 64 values of
    each tensor, spread evenly. Values rather than files, so that it is the same for a checkpoint
    however it is sharded, and so that a classifier that exits at layer ``depth`` does not care
    about what comes after. It depends on the dtype the model was opened with.

    Parameters
    ----------
    vlm
        The model, whole or cut off at ``depth`` or deeper.
    depth
        Number of decoder layers that count.
    head
        Whether the final norm and the head count too: what reads a generated token needs them.
    tower
        Number of layers of the vision tower that count; by default those that the projector reads.

    Raises
    ------
    ModelError
        When the head counts, and the model was cut off.
    """
    if head:
        vlm.require_whole("answer of its head")
    digest = hashlib.sha256(f"{vlm.family.name} {vlm.dtype}".encode())
    if tower is None:
        tower = layers_read(cast(Any, vlm.model).config, vlm.family)
    for name, tensor in _tensors(vlm, depth, head, tower):
        flat = tensor.reshape(-1)
        steps = torch.linspace(
            0, flat.numel() - 1, min(_SAMPLES, flat.numel()), dtype=torch.float64
        )
        values = flat[steps.long().to(flat.device)].float().cpu().numpy()
        digest.update(f"{name} {tuple(tensor.shape)}".encode() + values.tobytes())
    return digest.hexdigest()


def _tensors(vlm: VLM, depth: int, head: bool, tower: int) -> Iterator[tuple[str, torch.Tensor]]:
    paths = dict.fromkeys((*vlm.family.vision, *vlm.family.projector))
    beyond = {
        id(tensor)
        for layer in tower_layers(vlm.model, vlm.family)[tower:]
        for tensor in layer.parameters()
    }
    for path in paths:
        for name, tensor in _named(path, part(vlm.model, path, family=vlm.family.name)):
            if id(tensor) not in beyond:
                yield name, tensor
    yield "embeddings", cast(torch.Tensor, vlm.model.get_input_embeddings().weight)  # type: ignore[operator]
    for number, layer in enumerate(vlm.layers[:depth], start=1):
        yield from _named(f"layer.{number}", layer)
    if head:
        yield from _named("norm", part(vlm.model, vlm.family.norm, family=vlm.family.name))
        yield from _named("head", vlm.model.get_output_embeddings())  # type: ignore[operator]


def _named(prefix: str, module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    # Positions that were resampled are no others than those they were made from.
    native = {
        f"{name}.weight": inner.native
        for name, inner in module.named_modules()
        if isinstance(inner, ResizedPositions)
    }
    for name, tensor in sorted(module.named_parameters()):
        yield f"{prefix}.{name}", native.get(name, tensor)
