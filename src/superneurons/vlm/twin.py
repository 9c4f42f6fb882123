"""A module with another child somewhere inside, sharing all the rest with the one it came from."""

from __future__ import annotations

import copy

from torch import nn

__all__ = ["with_child"]


def with_child(module: nn.Module, path: str, child: nn.Module) -> nn.Module:
    """Return a twin of a module that has another child at a dotted path.

    The modules on the way there are copied shallowly, everything else is shared: no weight is
    copied, and the module given stays as it was.

    Parameters
    ----------
    module
        Where the path starts.
    path
        Such as ``model.language_model.layers``; it must lead to something.
    child
        What is there in the twin.
    """
    head, _, rest = path.partition(".")
    inner = with_child(module.get_submodule(head), rest, child) if rest else child
    twin = copy.copy(module)
    # A shallow copy shares its registries of children, buffers and hooks: the twin gets its own.
    for name, value in vars(twin).items():
        if isinstance(value, dict):
            object.__setattr__(twin, name, value.copy())
    twin._modules[head] = inner
    return twin
