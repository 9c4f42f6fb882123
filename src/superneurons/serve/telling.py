"""What every endpoint tells of an answer, whatever its words."""

from __future__ import annotations

import time
from typing import Any

from superneurons.serve.asked import Asked
from superneurons.serve.ids import new_id
from superneurons.serve.jobs import Answer

__all__ = ["details", "envelope"]


def envelope(
    kind: str, name: str, model: str | None, base_model: str, asked: Asked, answer: Answer
) -> dict[str, Any]:
    """Return what is around the answer to chat messages: whose it is, when, of how many tokens.

    Parameters
    ----------
    kind
        What the answer's id begins with.
    name
        What clients know such an object as.
    model
        What the request called it; where it didn't, the classifier or ``base_model`` is named.
    base_model
        Its name as clients may know it.
    asked, answer
        The question and its answer.
    """
    return {
        "id": f"{kind}-{new_id()}",
        "object": name,
        "created": int(time.time()),
        "model": model or (asked.fitted.name if asked.fitted else base_model),
        "usage": {
            "prompt_tokens": answer.input_tokens,
            "total_tokens": answer.input_tokens,
            "completion_tokens": 0,
            "prompt_tokens_details": None,
        },
        "superneurons": details(asked, answer),
    }


def details(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Say who answered a question, and how deep that went."""
    told: dict[str, Any] = {
        "classifier": None if asked.fitted is None else asked.fitted.name,
        "depth": answer.depth,
        "layers": answer.layers,
        "n_layers": None if asked.fitted is None else asked.fitted.n_layers,
        "label": asked.label(answer),
        "probability": answer.confidence,
        "label_mass": answer.label_mass,
        "waited_ms": round(answer.waited_ms, 3),
        "ran_ms": round(answer.ran_ms, 3),
    }
    if answer.votes:
        told["votes"] = [
            {"layer": v.layer, "index": v.index, "activation": v.activation, "label": v.label}
            for v in answer.votes
        ]
    return told
