"""``POST /classify``: a picture as chat messages, probabilities per label, as vLLM has it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from superneurons.serve.asked import Plan
from superneurons.serve.describing import posts
from superneurons.serve.ids import new_id
from superneurons.serve.jobs import Answer
from superneurons.serve.messages import message_asked, message_pictures
from superneurons.serve.messages_schemas import ClassifyAnswer, ClassifyRequest
from superneurons.serve.reader import validated
from superneurons.serve.routing import Routing
from superneurons.serve.service import Service
from superneurons.serve.systemone import details

__all__ = ["router", "usage"]


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.post("/classify", **posts(ClassifyRequest, ClassifyAnswer))
    async def classify(request: Request) -> JSONResponse:
        """Classify a picture that comes in chat messages."""
        return JSONResponse(await service.ask(request, lambda body: _plan(body, service.routing)))

    return routes


def _plan(body: Any, routing: Routing) -> Plan:
    request = validated(ClassifyRequest, body)
    asked = message_asked(request, routing)

    def reply(answers: Sequence[Answer]) -> dict[str, Any]:
        (answer,) = answers
        shares = asked.probabilities(answer)
        label = asked.label(answer)
        row = {
            "index": list(shares).index(label),
            "label": label,
            "probs": list(shares.values()),
            "num_classes": len(shares),
        }
        return {
            "id": f"classify-{new_id()}",
            "object": "list",
            "created": int(time.time()),
            "model": request.model or (asked.fitted.name if asked.fitted else routing.base_model),
            "data": [row],
            "usage": usage(answer),
            "superneurons": details(asked, answer),
        }

    return Plan([asked], message_pictures(request.messages), reply)


def usage(answer: Answer) -> dict[str, Any]:
    """Say how many tokens a prompt had; none is written."""
    return {
        "prompt_tokens": answer.input_tokens,
        "total_tokens": answer.input_tokens,
        "completion_tokens": 0,
        "prompt_tokens_details": None,
    }
