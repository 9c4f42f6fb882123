"""One answered record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Prediction"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one record.

    Parameters
    ----------
    label
        The answer.
    probabilities
        One for each label, summing to 1.
    confidence
        The largest of them.
    exit_layer
        Decoder layers that ran.
    latency_ms
        Milliseconds this record took: its batch, from opening the pictures to the answer, divided
        by the records in it.
    id
        The record's.
    """

    label: str
    probabilities: dict[str, float]
    confidence: float
    exit_layer: int
    latency_ms: float
    id: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values, as the command line prints it."""
        return {
            "id": self.id,
            "label": self.label,
            "probabilities": {k: round(v, 6) for k, v in self.probabilities.items()},
            "confidence": round(self.confidence, 6),
            "exit_layer": self.exit_layer,
            "latency_ms": round(self.latency_ms, 3),
        }
