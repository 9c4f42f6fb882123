"""Locks without a model behind them."""

from __future__ import annotations

from typing import Any

from superneurons.shortcut.lock import Locked, LockedStage, Share
from superneurons.shortcut.reference import EDGES

__all__ = ["locked", "locked_cascade"]


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


def locked_cascade(**changed: Any) -> Locked:
    """A cascade in a lock that stops at layer 1, never at 2, at 3, and at the base model."""
    half, none = Share(20, 40, 40.0, (0.35, 0.65)), Share(0, 40, 40.0, (0.0, 0.1))
    third, rest = Share(12, 40, 40.0, (0.18, 0.46)), Share(8, 40, 40.0, (0.1, 0.35))
    stages = (
        LockedStage(1, False, 0.8, half, Share(18, 20, 20.0, (0.7, 0.98))),
        LockedStage(2, False, None, none, Share(0, 0, 0.0, (0.0, 1.0))),
        LockedStage(3, False, 1.25, third, Share(9, 12, 12.0, (0.4, 0.9))),
        LockedStage(4, True, 0.0, rest, Share(7, 8, 8.0, (0.5, 0.98))),
    )
    reference = {
        **locked().reference, "label": (9, 11), "confidence": (0, 0, 0, 0, 10, 10, 0, 0),
    }  # fmt: skip
    parts: dict[str, Any] = {
        "threshold": 0.0,
        "answered_accuracy": stages[0].right,
        "escalated": half,
        "reference": reference,
        "stages": stages,
    }
    return locked(**parts | changed)
