"""Low-rank adapters beside the attention of a decoder, on a twin that shares its weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from superneurons._extras import require
from superneurons.errors import ModelError
from superneurons.vlm.model import VLM
from superneurons.vlm.twin import with_child

__all__ = [
    "adapter_weights", "attention_projections", "learning", "require_peft", "seeded",
    "with_adapters",
]  # fmt: skip

_MARK = ".lora_"


def attention_projections(vlm: VLM) -> tuple[str, ...]:
    """Return the paths of the linear maps of attention in all decoder layers.

    They are what lies beside the family's ``heads_output``: queries, keys, values and the map
    behind the heads. Layers without attention are left out.

    Parameters
    ----------
    vlm
        The model.

    Raises
    ------
    ModelError
        When no layer has any.
    """
    within, found = vlm.family.heads_output.rpartition(".")[0], []
    for number, layer in enumerate(vlm.layers):
        attention = dict(layer.named_modules()).get(within)
        if attention is not None:
            found += [
                f"{vlm.family.layers}.{number}.{within}.{name}"
                for name, module in attention.named_modules()
                if isinstance(module, nn.Linear)
            ]
    if not found:
        raise ModelError(
            "No decoder layer has linear maps of attention that LoRA could adapt.",
            where=f"{vlm.family.layers}.*.{within}",
            mend="Use a model with attention layers, or mend heads_output of its family.",
        )
    return tuple(found)


def with_adapters(
    vlm: VLM, *, rank: int = 16, alpha: float = 32.0, dropout: float = 0.0, seed: int = 0
) -> VLM:
    """Return the same model with LoRA adapters that change nothing yet, sharing its weights.

    The model given stays as it was, and can be asked in between: adapters are in a twin whose
    modules on the way to the attention are copied shallowly. No weight is copied.

    Parameters
    ----------
    vlm
        The whole model.
    rank, alpha, dropout
        Rank r, the factor of which alpha / r scales what is added, and the share of its inputs that
        is dropped while it learns.
    seed
        Of the adapters' first weights, which are float32 in whatever dtype the model is.

    Raises
    ------
    MissingExtraError
        When ``peft`` is not installed.
    ModelError
        When no decoder layer has attention, or the model has adapters already.

    Notes
    -----
    Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models".
    """
    peft, twin = require_peft(), vlm.model
    if adapter_weights(vlm):
        raise ModelError(
            "This model has adapters already.", mend="Give the model as it was before they came."
        )
    paths = attention_projections(vlm)
    for path in paths:
        twin = with_child(twin, path, twin.get_submodule(path))
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(paths)
    )
    known = [(weight, weight.requires_grad) for weight in vlm.model.parameters()]
    try:
        with seeded(vlm.device, seed):
            peft.inject_adapter_in_model(config, twin)
    finally:
        for weight, flag in known:
            weight.requires_grad_(flag)
    adapted = replace(vlm, model=twin.eval())
    for weight in adapter_weights(adapted).values():
        weight.data = weight.data.float()
    return adapted


def adapter_weights(vlm: VLM) -> dict[str, nn.Parameter]:
    """Return the weights of the adapters by name; of a model without any, none."""
    return {name: weight for name, weight in vlm.model.named_parameters() if _MARK in name}


@contextmanager
def learning(vlm: VLM) -> Iterator[list[nn.Parameter]]:
    """Let the adapters learn, and nothing else, while it is open.

    Gives their weights. Nothing before the first adapter keeps what a backward pass would need:
    neither vision tower nor projector.
    """
    own = list(adapter_weights(vlm).values())
    known = [(weight, weight.requires_grad) for weight in vlm.model.parameters()]
    drops = [module for name, module in vlm.model.named_modules() if name.endswith("lora_dropout")]
    learns = {id(weight) for weight in own}
    try:
        for weight, _ in known:
            weight.requires_grad_(id(weight) in learns)
        for module in drops:
            module.train()
        yield own
    finally:
        for module in drops:
            module.eval()
        for weight, flag in known:
            weight.requires_grad_(flag)


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Draw from a seed while it is open, and leave everybody else's draws alone."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def require_peft() -> Any:
    """Import ``peft``, without what it says while it is imported.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    with warnings.catch_warnings():
        # What its own dependencies deprecate is no business of whoever trains adapters.
        warnings.simplefilter("ignore")
        return require("peft", extra="lora", purpose="Training LoRA adapters")
