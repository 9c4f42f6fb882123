"""``GET /v1/models``: the classifiers and the base model."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from superneurons.serve.describing import errors
from superneurons.serve.jobs import Fitted
from superneurons.serve.messages_schemas import ModelCard, Models
from superneurons.serve.routing import public_name
from superneurons.serve.service import Service

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.get("/v1/models", responses=errors(401))
    async def models() -> Models:
        """List what is served, with each classifier's question and labels."""
        routing = service.routing
        cards = [_card(one.name, _told(one)) for one in routing.classifiers.values()]
        if routing.asks_base:
            cards.append(_card(routing.base_model, None))
        return Models(object="list", data=cards)

    return routes


def _card(name: str, told: dict[str, Any] | None) -> ModelCard:
    # No time is known at which a classifier came about; clients want a number.
    return ModelCard(id=name, object="model", created=0, owned_by="superneurons", superneurons=told)


def _told(fitted: Fitted) -> dict[str, Any]:
    return {
        "question": fitted.question,
        "labels": list(fitted.labels),
        "exit_layer": fitted.exit_layer,
        "n_layers": fitted.n_layers,
        "threshold": fitted.threshold,
        "about": {
            key: public_name(str(value)) if key == "base_model" else value
            for key, value in fitted.about.items()
        },
    }
