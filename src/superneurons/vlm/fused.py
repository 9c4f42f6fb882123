"""Layers with kernels fused by ``torch.compile``: one compilation serves all layers alike."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, TypeVar, cast

import torch

from superneurons.vlm.lean.decoder import DecoderLayer
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.lean.tokens import begun
from superneurons.vlm.lean.tower import Projection, TowerLayer

__all__ = ["fused"]

_T = TypeVar("_T")
# Each shape of batch is compiled for itself; beyond the default of 8 it would not be any more.
_MOST_SHAPES = 256
# Products of odd sizes aren't padded: what they are padded and cut by are kernels of their own.
_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {"shape_padding": False}
_METHODS: dict[type, tuple[str, ...]] = {
    TowerLayer: ("__call__",),
    Projection: ("__call__",),
    DecoderLayer: ("whole", "neurons", "branching", "tips"),
}


def fused(lean: Lean) -> Lean:
    """Return the same pass with the kernels of its layers fused.

    What is compiled is a layer's method as a function of the layer's tensors, so that layers that
    differ in nothing else share it: seconds for a model, where compiling all layers in a row takes
    minutes.

    Parameters
    ----------
    lean
        The pass.
    """
    begin = _for_all_shapes(torch.compile(begun, dynamic=False, options=_OPTIONS))
    return dataclasses.replace(_Fusing().rebuilt(lean), begin=begin)


class _Fusing:
    """Rebuild a pass, with its layers replaced by ones that are compiled."""

    def __init__(self) -> None:
        self._functions: dict[Any, Callable[..., Any]] = {}

    def rebuilt(self, part: _T) -> _T:
        """Return the part with every layer in it replaced."""
        found: Any = part
        if isinstance(found, tuple):
            return cast(_T, tuple(self.rebuilt(each) for each in found))
        if type(found) in _METHODS:
            return cast(_T, self._compiled(found))
        if dataclasses.is_dataclass(found) and not isinstance(found, type):
            names = [f.name for f in dataclasses.fields(found) if f.init]
            changed = {name: self.rebuilt(getattr(found, name)) for name in names}
            return cast(_T, dataclasses.replace(found, **changed))
        return part

    def _compiled(self, layer: Any) -> Any:
        """Return a layer of a subclass whose methods are compiled."""
        tensors = list(_tensors(layer))
        kind = type(layer)
        methods = {name: self._method(layer, name, tensors) for name in _METHODS[kind]}
        # A class of its own, since ``layer(x)`` looks ``__call__`` up in the class.
        twin = type(f"Fused{kind.__name__}", (kind,), {**methods, "__doc__": kind.__doc__})
        fields = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
        return twin(**fields)

    def _method(self, layer: Any, name: str, tensors: list[torch.Tensor]) -> Callable[..., Any]:
        form = _form(layer), name
        if form not in self._functions:
            self._functions[form] = self._function(layer, name)
        function = self._functions[form]

        def method(_self: Any, *given: Any) -> Any:
            return function(tensors, *given)

        return method

    def _function(self, layer: Any, name: str) -> Callable[..., Any]:
        """A layer's method as a function of its tensors; the first layer stands for all."""
        kind, made = type(layer), _maker(layer)

        def run(tensors: list[torch.Tensor], *given: Any) -> Any:
            return getattr(kind, name)(made(iter(tensors)), *given)

        # Compiled code is kept by code object: each layer kind and method gets one of its own.
        code = run.__code__.replace(co_name=f"{kind.__name__}_{name}")
        own = FunctionType(code, run.__globals__, code.co_name, None, run.__closure__)
        return _for_all_shapes(torch.compile(own, dynamic=False, options=_OPTIONS))


def _for_all_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a compiled function be compiled for as many shapes as come."""

    def call(*given: Any) -> Any:
        # Seconds to import, and of use only here.
        from torch._dynamo import config as dynamo

        with dynamo.patch(recompile_limit=_MOST_SHAPES), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints about speed that aren't the user's to take
            return function(*given)

    return call


def _tensors(part: Any) -> Iterator[torch.Tensor]:
    """All tensors of nested dataclasses, in the order of their fields."""
    if isinstance(part, torch.Tensor):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from _tensors(each)
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from _tensors(getattr(part, field.name))


def _maker(part: Any) -> Callable[[Iterator[torch.Tensor]], Any]:
    """What makes the same nested dataclasses of other tensors.

    Each class stands in a closure of its own: that is where compilers can trace it from.
    """
    if isinstance(part, torch.Tensor):
        return next
    if isinstance(part, tuple):
        each = [_maker(element) for element in part]
        return lambda tensors: tuple([make(tensors) for make in each])
    if dataclasses.is_dataclass(part):
        kind: Any = type(part)
        fields = [_maker(getattr(part, field.name)) for field in dataclasses.fields(part)]
        return lambda tensors: kind(*[make(tensors) for make in fields])
    return lambda _: part


def _form(part: Any) -> Any:
    """What must be equal for two layers to share compiled code."""
    if isinstance(part, torch.Tensor):
        return tuple(part.shape), part.dtype
    if isinstance(part, tuple):
        return tuple(_form(each) for each in part)
    if dataclasses.is_dataclass(part):
        fields = [_form(getattr(part, field.name)) for field in dataclasses.fields(part)]
        return (type(part).__name__, *fields)
    return repr(part) if callable(part) else part
