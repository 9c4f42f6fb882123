"""``POST /v1/chat/completions``: for clients that know chats only; the label is the message."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from superneurons.errors import DataError
from superneurons.serve.asked import Plan
from superneurons.serve.describing import posts
from superneurons.serve.jobs import Answer
from superneurons.serve.messages import message_asked, message_pictures
from superneurons.serve.messages_schemas import ChatAnswer, ChatRequest
from superneurons.serve.reader import validated
from superneurons.serve.routing import Routing
from superneurons.serve.service import Service
from superneurons.serve.telling import envelope

__all__ = ["router"]

_LEAST = 1e-300  # whose logarithm is still a number


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.post("/v1/chat/completions", **posts(ChatRequest, ChatAnswer))
    async def chat(request: Request) -> JSONResponse:
        """Answer a question about a picture with one of its labels."""
        return JSONResponse(await service.ask(request, lambda body: _plan(body, service.routing)))

    return routes


def _plan(body: Any, routing: Routing) -> Plan:
    request = validated(ChatRequest, body)
    if request.top_logprobs and not request.logprobs:
        raise DataError(
            "top_logprobs needs logprobs.", where="top_logprobs", mend="Set logprobs to true."
        )
    asked = message_asked(request, routing)

    def reply(answers: Sequence[Answer]) -> dict[str, Any]:
        (answer,) = answers
        label = asked.label(answer)
        shares = asked.probabilities(answer)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": label, "refusal": None},
            "logprobs": _logprobs(label, shares, request.top_logprobs or 0)
            if request.logprobs
            else None,
            "finish_reason": "stop",
        }
        around = envelope(
            "chatcmpl", "chat.completion", request.model, routing.base_model, asked, answer
        )
        return around | {"choices": [choice]}

    return Plan([asked], message_pictures(request.messages), reply)


def _logprobs(label: str, shares: Mapping[str, float], most: int) -> dict[str, Any]:
    likeliest = sorted(shares, key=lambda option: -shares[option])[:most]
    said = _logprob(label, shares) | {
        "top_logprobs": [_logprob(option, shares) for option in likeliest]
    }
    return {"content": [said], "refusal": None}


def _logprob(option: str, shares: Mapping[str, float]) -> dict[str, Any]:
    return {
        "token": option,
        "logprob": math.log(max(shares[option], _LEAST)),
        "bytes": list(option.encode()),
    }
