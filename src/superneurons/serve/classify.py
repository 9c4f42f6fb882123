"""``POST /classify``: a picture as chat messages, probabilities per label, as vLLM has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from superneurons.serve.asked import Plan
from superneurons.serve.describing import posts
from superneurons.serve.jobs import Answer
from superneurons.serve.messages import message_asked, message_pictures
from superneurons.serve.messages_schemas import ClassifyAnswer, ClassifyRequest
from superneurons.serve.reader import validated
from superneurons.serve.routing import Routing
from superneurons.serve.service import Service
from superneurons.serve.telling import envelope

__all__ = ["router"]


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
        around = envelope("classify", "list", request.model, routing.base_model, asked, answer)
        return around | {"data": [row]}

    return Plan([asked], message_pictures(request.messages), reply)
