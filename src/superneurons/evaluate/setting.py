"""What figures were measured on."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import torch

from superneurons.task.record import Record
from superneurons.vlm.model import VLM

__all__ = ["setting_of"]


def setting_of(vlm: VLM, test: Sequence[Record], repeats: int, seed: int) -> dict[str, Any]:
    """Return what has to be said beside scores and times, as JSON values."""
    return {
        "model": vlm.name,
        "layers": vlm.n_layers,
        "test_records": len(test),
        "seed": seed,
        "device": str(vlm.device),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "dtype": str(vlm.dtype).removeprefix("torch."),
        "prompt_tokens": int(vlm.encode(test[:1]).last[0]) + 1,
        "timing": {
            "batch_size": 1,
            "rounds": repeats,
            "counted": "decoding and preprocessing of the pictures, vision tower, projector, "
            "layers and read-out, for one record",
        },
    }
