"""Locks without a model behind them."""

from __future__ import annotations

from typing import Any

from superneurons.shortcut.lock import Locked, Share
from superneurons.shortcut.reference import EDGES

__all__ = ["locked"]


def locked(**changed: Any) -> Locked:
    """A classifier in a lock; what is given takes the place of its parts."""
    reference = {name: tuple([0] * len(edges) + [40]) for name, edges in EDGES.items()}
    reference["confidence"] = (*reference["confidence"][:-1], 30)
    parts: dict[str, Any] = {
        "artefact": "a" * 64,
        "base_model": {
            "name": "tiny/shades",
            "dtype": "float32",
            "revision": None,
            "fingerprint": "f" * 64,
            "processor": "0" * 64,
        },
        "prompt": "b" * 64,
        "versions": {"superneurons": "0.1.0"},
        "question": "Is it bright?",
        "labels": ("no", "yes"),
        "target_accuracy": 0.9,
        "threshold": 0.75,
        "met": True,
        "chose": 41,
        "accuracy": Share(34, 40, 40.0, (0.7, 0.93)),
        "answered_accuracy": Share(28, 30, 30.0, (0.78, 0.98)),
        "escalated": Share(10, 40, 40.0, (0.14, 0.41)),
        "reference": {"label": (15, 15), **reference},
    }
    return Locked(**parts | changed)
