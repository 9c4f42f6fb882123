"""What figures were measured on."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["early_exits", "setting_of"]


def setting_of(
    vlm: VLM, test: Sequence[Record], repeats: int, seed: int, prompt: Prompt | None = None
) -> dict[str, Any]:
    """Return what has to be said beside scores and times, as JSON values.

    Parameters
    ----------
    vlm, prompt
        The model, and how it is asked.
    test
        The records that are scored.
    repeats, seed
        Rounds of the timing, and the seed of all that is drawn.
    """
    prompt = prompt or Prompt()
    return {
        "model": vlm.name,
        "layers": vlm.n_layers,
        "test_records": len(test),
        "seed": seed,
        "device": vlm.device_name,
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "dtype": str(vlm.dtype).removeprefix("torch."),
        "prompt": prompt.frame(vlm.processor, vlm.family),
        "prompt_tokens": int(vlm.encode(test[:1], prompt).last[0]) + 1,
        "timing": {
            "batch_size": 1,
            "rounds": repeats,
            "counted": "decoding and preprocessing of the pictures, vision tower, projector, "
            "layers and read-out, for one record",
        },
    }


def early_exits(classifiers: Iterable[SuperNeuronClassifier]) -> dict[str, dict[str, str]]:
    """Return how classifiers were run up to their neurons, and why not faster, as JSON values.

    Parameters
    ----------
    classifiers
        Fitted ones that have answered: what was planned may turn out not to work. Those that read a
        generated token have no early exit, and don't count.
    """
    leaves = [c.early_exit() for c in classifiers if c.site_.position != "first_generated"]
    ways = dict.fromkeys((leave.path, leave.reason) for leave in leaves)
    if not ways:
        return {}
    paths, reasons = ([*dict.fromkeys(filter(None, part))] for part in zip(*ways, strict=True))
    return {"early_exits": {"path": ", ".join(paths), "reason": "; ".join(reasons)}}
