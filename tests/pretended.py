"""Devices that only say they are others: tensors in memory that refuse to meet across them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

HOME, AWAY = torch.device("cpu"), torch.device("cpu", 1)


class Pretended(torch.Tensor):
    """A tensor that says it is on another device than the one its numbers are on."""

    held: torch.Tensor
    place: torch.device

    @staticmethod
    def __new__(cls, held: torch.Tensor, device: torch.device) -> Pretended:
        made: Pretended = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, device=torch.device("cpu"), dispatch_device=True,
        )  # fmt: skip
        made.held, made.place = held, device
        return made

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Pretended({self.held!r}, {self.place})"

    def __tensor_flatten__(self) -> tuple[list[str], torch.device]:
        return ["held"], self.place

    @staticmethod
    def __tensor_unflatten__(parts: dict[str, Any], device: torch.device, *_: Any) -> Pretended:
        return Pretended(parts["held"], device)

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.prim.device.default:
            return args[0].place
        raise AssertionError(f"{func} outside pretending()")


class _Pretending(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.prim.device.default:
            return args[0].place
        given = dict(kwargs or {})
        with self:  # in inference mode, operations come whole that consist of others
            parts = func.decompose(*args, **given)
        if parts is not NotImplemented:
            return parts
        asked = given.get("device")
        met = [value for value in tree_flatten((args, given))[0] if isinstance(value, torch.Tensor)]
        if asked != AWAY and not any(isinstance(value, Pretended) for value in met):
            return func(*args, **given)
        if asked is not None:
            given["device"] = HOME
        name = func.overloadpacket.__name__
        home = _home(name, met)
        # What is made in inference mode cannot be a view of what was not.
        with torch.inference_mode(False), torch.no_grad():
            found = func(*tree_map(_held, args), **tree_map(_held, given))
            to = torch.device(asked) if asked is not None else home
            if name.endswith("_") and isinstance(args[0], torch.Tensor):
                return args[0]
            if to != AWAY:
                return found
            return tree_map(lambda value: _wrapped(value, to), found)


def _home(name: str, met: list[torch.Tensor]) -> torch.device | None:
    """The one device of what an operation is given: as on a GPU, only numbers may come along."""
    if name in ("copy_", "_to_copy"):
        return met[0].device
    indexing = name in ("index", "index_put", "index_put_", "_index_put_impl_")
    # torch.tensor([], device=AWAY), as caches begin, is made without this mode: it lies nowhere.
    lying = [each for each in met if each.numel()]
    there = [each.device for each in lying if each.dim() or each.device == AWAY]
    there = [device for device in there if not (indexing and device == HOME)]
    if len(set(there)) > 1:
        raise RuntimeError(f"{name}: tensors on {', '.join(map(str, dict.fromkeys(there)))}")
    return there[0] if there else None


def _held(value: Any) -> Any:
    return value.held if isinstance(value, Pretended) else value


def _wrapped(value: Any, device: torch.device) -> Any:
    plain = isinstance(value, torch.Tensor) and not isinstance(value, Pretended)
    return Pretended(value, device) if plain else value


@contextmanager
def pretending() -> Iterator[tuple[torch.device, torch.device]]:
    """Two devices, the second of which is none, for as long as the block lasts."""
    with _Pretending():
        yield HOME, AWAY
