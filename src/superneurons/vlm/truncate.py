"""Cut a model off after a decoder layer, without touching the model it came from."""

from __future__ import annotations

import copy
from typing import cast

from torch import nn

from superneurons.errors import ModelError
from superneurons.vlm.family import Family, part

__all__ = ["truncate"]


def truncate(model: nn.Module, family: Family, depth: int) -> nn.Module:
    """Return a view of ``model`` that runs only its first ``depth`` decoder layers.

    The modules on the way to the layers are copied shallowly, everything else is shared: no weight
    is copied, and the model given stays as it was. What follows the layers (final norm, head) is
    left in place: its output is not meaningful at another depth.

    Parameters
    ----------
    model
        The whole model.
    family
        Where its decoder layers are.
    depth
        Number of decoder layers to keep, from 1 to all.

    Raises
    ------
    ModelError
        When ``depth`` is not between 1 and the number of layers.
    """
    layers = cast(nn.ModuleList, part(model, family.layers, family=family.name))
    if not 1 <= depth <= len(layers):
        raise ModelError(
            f"Cannot cut a model of {len(layers)} decoder layers off after layer {depth}.",
            where=f"layer {depth}",
            mend=f"Choose a layer from 1 to {len(layers)}.",
        )
    return _with_child(model, family.layers.split("."), nn.ModuleList(list(layers)[:depth]))


def _with_child(module: nn.Module, path: list[str], child: nn.Module) -> nn.Module:
    """Copy ``module`` shallowly, with another module at ``path``."""
    twin = copy.copy(module)
    head, rest = path[0], path[1:]
    inner = child if not rest else _with_child(module.get_submodule(head), rest, child)
    # A shallow copy shares its registries of children, buffers and hooks: the twin gets its own.
    for name, value in vars(twin).items():
        if isinstance(value, dict):
            object.__setattr__(twin, name, value.copy())
    twin._modules[head] = inner
    return twin
