"""``GET /health``: whether the process lives, and whether it takes questions; ``GET /metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from superneurons.errors import BusyError
from superneurons.serve.describing import errors
from superneurons.serve.service import Service

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.get("/health/live")
    async def live() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @routes.get("/health", responses=errors(503))
    @routes.get("/health/ready", responses=errors(503))
    async def ready() -> dict[str, str]:
        """Say whether questions are taken: opened, warmed up, not stopping."""
        if not service.engine.ready:
            raise BusyError("The service is starting or stopping.", mend="Ask again later.")
        return {"status": "ok"}

    @routes.get(
        "/metrics",
        response_class=Response,
        responses=errors(401)
        | {200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}},
    )
    async def metrics() -> Response:
        """Return counts of requests and answers, times, and what the engine measures."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return routes
