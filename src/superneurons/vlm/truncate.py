"""Cut a model off after a decoder layer, without touching the model it came from."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from superneurons.errors import ModelError
from superneurons.vlm.family import Family, part
from superneurons.vlm.tower import cut_tower, layers_read, tower_layers
from superneurons.vlm.twin import with_child

__all__ = ["truncate"]


def truncate(model: nn.Module, family: Family, depth: int) -> nn.Module:
    """Return a view of ``model`` that runs only its first ``depth`` decoder layers.

    Layers of the vision tower that the projector doesn't read are left out, too. The modules on
    the way to the layers are copied shallowly, everything else is shared: no weight is copied, and
    the model given stays as it was. What follows the layers (final norm, head) is left in place:
    its output is not meaningful at another depth.

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
    cut = with_child(model, family.layers, nn.ModuleList(list(layers)[:depth]))
    read = layers_read(cast(Any, model).config, family)
    return cut_tower(cut, family, min(read, len(tower_layers(model, family))))
