"""How a model would run an early exit, and what memory that takes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from superneurons.vlm.acceleration import Acceleration
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.memory import free_on, held_up_to
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import workable_prompt
from superneurons.vlm.tower import layers_read, tower_layers
from superneurons.vlm.verify import made_up_records

__all__ = ["ExitReport", "exit_report"]


@dataclass(frozen=True, slots=True)
class ExitReport:
    """What is to be known about early exits of a model on its device.

    Parameters
    ----------
    path, reason
        As of an :class:`~superneurons.vlm.early_exit.EarlyExit` that has run.
    tower_layers, tower_layers_in_all
        Layers of the vision tower that run, and that it has.
    held
        Bytes of the weights that are held for an exit at a layer, by the layer.
    free
        Bytes that are free on its devices together, where that is known.
    """

    path: str
    reason: str
    tower_layers: int
    tower_layers_in_all: int
    held: dict[int, int]
    free: int | None


def exit_report(vlm: VLM, acceleration: Acceleration = "auto") -> ExitReport:
    """Leave a model after its first layer, on a made-up picture, and say how that ran.

    Parameters
    ----------
    vlm
        The whole model.
    acceleration
        How it is asked to run.
    """
    leave = EarlyExit(vlm, [1], [0], acceleration=acceleration)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccelerationWarning)  # the reason says the same
        leave(vlm.encode(made_up_records()[:1], workable_prompt(vlm.processor, vlm.family)))
    layers = sorted({1, vlm.n_layers // 2 or 1, vlm.n_layers})
    tower, free = len(tower_layers(vlm.model, vlm.family)), [free_on(d) for d in vlm.devices]
    return ExitReport(
        path=leave.path,
        reason=leave.reason,
        tower_layers=min(layers_read(vlm.model.config, vlm.family), tower),
        tower_layers_in_all=tower,
        held={layer: held_up_to(vlm, layer) for layer in layers},
        free=None if None in free else sum(each or 0 for each in free),
    )
