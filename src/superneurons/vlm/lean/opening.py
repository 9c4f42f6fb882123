"""Find the lean pass of an opened model, if its family has one."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from torch import nn

from superneurons.vlm.lean.dense import UnknownPartError
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM

__all__ = ["lean_of", "why_not_lean"]

_FOUND: WeakKeyDictionary[nn.Module, Lean | str] = WeakKeyDictionary()
_FINDING = threading.Lock()  # weights may be moved beside each other, which two must not do at once


def lean_of(vlm: VLM) -> Lean | None:
    """Return the model's lean pass, over its own weights; ``None`` where there is none.

    Parameters
    ----------
    vlm
        The model, whole or cut off.

    Examples
    --------
    >>> from superneurons.vlm.opening import open_vlm
    >>> lean_of(open_vlm("demo", depth=1)).layers[0].width  # doctest: +SKIP
    64
    """
    found = _find(vlm)
    return found if isinstance(found, Lean) else None


def why_not_lean(vlm: VLM) -> str:
    """Say why a model has no lean pass; nothing where it has one."""
    found = _find(vlm)
    return found if isinstance(found, str) else ""


def _find(vlm: VLM) -> Lean | str:
    with _FINDING:
        if vlm.model not in _FOUND:
            _FOUND[vlm.model] = _made(vlm)
        return _FOUND[vlm.model]


def _made(vlm: VLM) -> Lean | str:
    if vlm.family.lean_tower is None:
        return f"no lean pass is written for the family {vlm.family.name}"
    if any(parameter.is_meta for parameter in vlm.model.parameters()):
        return "some weights are not in memory: they are offloaded"
    if len({parameter.device for parameter in vlm.model.parameters()}) > 1:
        return "the model is spread over several devices"
    try:
        return Lean.of(vlm.model, vlm.family.lean_tower(vlm.model))
    except (UnknownPartError, AttributeError) as error:
        return f"the lean pass doesn't know {error}"
