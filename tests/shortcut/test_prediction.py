from __future__ import annotations

import json

from superneurons.shortcut.prediction import Prediction


def test_it_becomes_json() -> None:
    answer = Prediction("yes", {"no": 0.25, "yes": 0.75}, 0.75, 3, 12.3456789, "a:1")
    assert json.loads(json.dumps(answer.as_dict())) == {
        "id": "a:1",
        "label": "yes",
        "probabilities": {"no": 0.25, "yes": 0.75},
        "confidence": 0.75,
        "exit_layer": 3,
        "latency_ms": 12.346,
    }
