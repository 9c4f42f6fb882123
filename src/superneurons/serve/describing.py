"""How an endpoint that reads its own body is described in ``/openapi.json``."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from superneurons.serve.errors import TYPES
from superneurons.serve.messages_schemas import ChatRequest, ClassifyRequest
from superneurons.serve.schemas import ErrorBody, SystemOneRequest

__all__ = ["describe", "errors", "posts"]

_REFERENCE = "#/components/schemas/{model}"
_REQUESTS = (SystemOneRequest, ClassifyRequest, ChatRequest)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of answers that are errors."""
    return {status: {"model": ErrorBody, "description": TYPES[status]} for status in statuses}


def posts(request: type[BaseModel], answer: type[BaseModel]) -> dict[str, Any]:
    """Return what a route that takes and gives JSON is described by."""
    schema = {"$ref": _REFERENCE.format(model=request.__name__)}
    return {
        "responses": {200: {"model": answer, "description": "The answer."}}
        | errors(400, 401, 404, 408, 413, 415, 422, 429, 503),
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}
        },
    }


def describe(app: FastAPI) -> None:
    """Let an application's description have the schemas of the bodies that it reads itself."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, routes=app.routes)
            _, schemas = models_json_schema(
                [(model, "validation") for model in _REQUESTS], ref_template=_REFERENCE
            )
            made.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
