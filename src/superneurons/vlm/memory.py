"""How much memory a model takes, and how much a device has left."""

from __future__ import annotations

import torch
from torch import nn

from superneurons.errors import ResourceError
from superneurons.vlm.family import part
from superneurons.vlm.model import VLM
from superneurons.vlm.tower import layers_read, tower_layers

__all__ = ["free_on", "held_up_to", "moved", "refused_for_size", "weights_of"]

_GIB = 2**30


def weights_of(model: nn.Module) -> int:
    """Bytes of a model's weights; those that are shared within it count once."""
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())


def held_up_to(vlm: VLM, layer: int) -> int:
    """Bytes of the weights that are held for an exit at a decoder layer.

    The vision tower as far as the projector reads it, the projector, the embeddings and the layers
    up to there; neither final norm nor head.

    Parameters
    ----------
    vlm
        The whole model.
    layer
        The exit layer, from 1.
    """
    family = vlm.family
    tower = tower_layers(vlm.model, family)
    read = layers_read(vlm.model.config, family)
    unread = [
        *list(tower)[read:],
        *vlm.layers[layer:],
        part(vlm.model, family.norm, family=family.name),
    ]
    trunk = part(vlm.model, family.trunk, family=family.name)
    return weights_of(trunk) - weights_of(nn.ModuleList(unread))


def free_on(device: torch.device) -> int | None:
    """Bytes that can still be taken on a CUDA device by this process; ``None`` elsewhere."""
    if device.type != "cuda":
        return None
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + unused


def moved(model: nn.Module, device: torch.device, name: str) -> nn.Module:
    """Move a model to a device.

    Parameters
    ----------
    model
        In the memory of the machine.
    device
        Where it is to run.
    name
        What the user calls it.

    Raises
    ------
    ResourceError
        When it doesn't fit; says how much it takes and how much there is.
    """
    free = free_on(device)
    try:
        return model.to(device)
    except RuntimeError as error:  # not every device has a type of its own for it
        if "out of memory" not in str(error).lower():
            raise
        raise refused_for_size(weights_of(model), str(device), free, name) from error


def refused_for_size(size: int, where: str, free: int | None, name: str) -> ResourceError:
    """Return what is to be raised for a model that a device is too small for.

    Parameters
    ----------
    size
        Bytes of its weights.
    where
        The device, or several.
    free
        Bytes that were free there, where that is known.
    name
        What the user calls the model.
    """
    known = "" if free is None else f"; {free / _GIB:.1f} GiB were free"
    return ResourceError(
        f"{name!r} doesn't fit into the memory of {where}: its weights take "
        f"{size / _GIB:.1f} GiB{known}.",
        where=where,
        mend="Open only the layers that are read (depth=), load it in a smaller dtype "
        "(dtype='bfloat16'), lay it over more GPUs (device='cuda:0,cuda:1'), or use a smaller "
        "model.",
    )
