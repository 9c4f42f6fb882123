"""Requests: strict, and exactly these fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from serve.asking import chatted, systemone
from superneurons.serve.messages_schemas import ChatRequest, ClassifyRequest
from superneurons.serve.schemas import Strict, SystemOneRequest


def strict_ones(kind: type[Strict]) -> list[type[Strict]]:
    return [kind, *(found for below in kind.__subclasses__() for found in strict_ones(below))]


def test_nothing_that_is_sent_may_have_other_fields() -> None:
    for kind in strict_ones(Strict):
        assert kind.model_config["extra"] == "forbid"
        assert kind.model_config["strict"] is True


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (SystemOneRequest, systemone()),
        (SystemOneRequest, systemone(state=["a", {"b": None}])),
        (ClassifyRequest, chatted()),
        (ChatRequest, chatted(n=1, stream=False, logprobs=True, top_logprobs=5, temperature=1)),
    ],
)
def test_what_is_right_is_taken(kind: type[Strict], body: dict[str, Any]) -> None:
    kind.model_validate(body, strict=True)


@pytest.mark.parametrize("wrong", [{"n": "1"}, {"logprobs": 1}, {"seed": "1"}, {"max_tokens": 0}])
def test_types_are_not_turned_into_others(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatRequest.model_validate(chatted(**wrong), strict=True)
