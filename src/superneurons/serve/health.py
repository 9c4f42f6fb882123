"""``GET /health``: whether the process lives, and whether it takes questions; ``GET /metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from superneurons.errors import BusyError, ServiceError
from superneurons.serve.describing import errors
from superneurons.serve.service import Service

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.get("/health/live", responses=errors(503))
    async def live() -> dict[str, str]:
        """Say that the process answers, and that its model isn't stuck."""
        if service.engine.stuck:
            raise ServiceError(
                "What the model runs doesn't end.", mend="End this process, and start another."
            )
        return {"status": "ok"}

    @routes.get("/health", responses=errors(503))
    @routes.get("/health/ready", responses=errors(503))
    async def ready() -> dict[str, str]:
        """Say whether questions are taken: opened, warmed up, not stopping, not stuck."""
        if not service.engine.ready:
            raise BusyError("No questions are taken now.", mend="Ask again later, or elsewhere.")
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
