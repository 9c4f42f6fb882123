"""Lay a model over several devices, layer by layer, where one of them is too small for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from superneurons.errors import ResourceError
from superneurons.vlm.family import Family, part
from superneurons.vlm.memory import free_on, moved, refused_for_size, weights_of

__all__ = ["places_of", "spread"]

_STEPS = 50


def spread(
    model: nn.Module, family: Family, devices: Sequence[torch.device], name: str
) -> nn.Module:
    """Move a model to several devices: what comes before and after its layers to the first.

    The decoder layers lie on the devices one after the other, so that each device is filled to the
    same share of what it has free. A layer that lies elsewhere than the one before it is handed its
    input there, and the final norm on the first device. Hooks do that and nothing is rebound, so
    that a model cut off (:func:`~superneurons.vlm.truncate.truncate`) still runs where it lies.

    Parameters
    ----------
    model
        In the memory of the machine.
    family
        Where its parts are.
    devices
        Two or more.
    name
        What the user calls it.

    Raises
    ------
    ResourceError
        When they are too small; says how much the model takes and how much there is.
    """
    layers = cast(nn.ModuleList, part(model, family.layers, family=family.name))
    size, sizes = weights_of(model), [weights_of(layer) for layer in layers]
    known = [free for free in map(free_on, devices) if free is not None]
    # Where it isn't known of each, they count as equal.
    room = (
        [max(free, 1.0) for free in known] if len(known) == len(devices) else [1.0] * len(devices)
    )
    places = places_of(sizes, size - sum(sizes), room)
    try:
        for layer, place in zip(layers, places, strict=True):
            moved(layer, devices[place], name)
        # The layers stay where they are while all the rest is moved.
        model.set_submodule(family.layers, nn.ModuleList())
        moved(model, devices[0], name)
    except ResourceError as error:
        where = ", ".join(map(str, devices))
        raise refused_for_size(size, where, sum(known) or None, name) from error
    model.set_submodule(family.layers, layers)
    for layer, place in zip(layers, places, strict=True):
        layer.register_forward_pre_hook(_Handing(devices[place]), with_kwargs=True)
    norm = part(model, family.norm, family=family.name)
    norm.register_forward_pre_hook(_Handing(devices[0]), with_kwargs=True)
    return model


def places_of(sizes: Sequence[int], first: int, room: Sequence[float]) -> list[int]:
    """Return on which device each layer lies: one after the other, the fullest as empty as can be.

    Parameters
    ----------
    sizes
        Bytes of each layer.
    first
        Bytes that lie on the first device besides.
    room
        Bytes each device has, or equal numbers where that isn't known.

    Examples
    --------
    >>> places_of([1, 1, 1, 1], first=2, room=[8, 8])
    [0, 1, 1, 1]
    """
    least, most = 0.0, (first + sum(sizes)) / room[0]
    found = [0] * len(sizes)
    for _ in range(_STEPS):
        share = (least + most) / 2
        packed = _packed(sizes, first, [share * each for each in room])
        if packed is None:
            least = share
        else:
            found, most = packed, share
    return found


def _packed(sizes: Sequence[int], first: int, room: Sequence[float]) -> list[int] | None:
    """Fill one device after the other; nothing where they don't hold all."""
    places, place, held = [], 0, first
    if held > room[0]:
        return None
    for size in sizes:
        while held + size > room[place]:
            place, held = place + 1, 0
            if place == len(room):
                return None
        places.append(place)
        held += size
    return places


class _Handing:
    """A hook that hands a module what it is given, on a device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __call__(
        self, _module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self._there(args), self._there(options)

    def _there(self, given: Any) -> Any:
        # Only what transformers hands its layers: caches, say, know their devices themselves.
        if isinstance(given, torch.Tensor):
            return given.to(self._device)
        if type(given) in (tuple, list):
            return type(given)(map(self._there, given))
        if type(given) is dict:
            return {name: self._there(value) for name, value in given.items()}
        return given
