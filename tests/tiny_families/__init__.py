"""Tiny random checkpoints of every known family: one module for each module of ``vlm.families``."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

__all__ = ["savers"]


def savers() -> dict[str, Callable[[Path], Path]]:
    """What writes a checkpoint to a directory, by a name for it."""
    return {
        name: save
        for module in iter_modules(__path__)
        for name, save in import_module(f"{__name__}.{module.name}").SAVERS.items()
    }
