from __future__ import annotations

import dataclasses
import json

import pytest

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


def test_what_is_kept_of_a_share_is_six_places() -> None:
    found = Prediction("a", {"a": 2 / 3, "b": 1 / 3}, 2 / 3, 0, 0.0004).as_dict()
    assert found["probabilities"] == {"a": 0.666667, "b": 0.333333}
    assert found["confidence"] == 0.666667
    assert (found["latency_ms"], found["id"]) == (0.0, "")


def test_the_answer_itself_is_not_rounded_by_being_shown() -> None:
    answer = Prediction("a", {"a": 2 / 3, "b": 1 / 3}, 2 / 3, 0, 1 / 3)
    answer.as_dict()["probabilities"]["a"] = 0
    assert answer.probabilities["a"] == answer.confidence == 2 / 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.label = "b"  # type: ignore[misc]
