"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from superneurons.errors import DataError, Problem, SuperNeuronsError
from superneurons.serve import chat, classify, health, models, page, systemone
from superneurons.serve.admission import Admission, Shedding
from superneurons.serve.describing import describe
from superneurons.serve.doors import Doors
from superneurons.serve.errors import error_response
from superneurons.serve.fetch import Fetcher
from superneurons.serve.guard import Guard
from superneurons.serve.jobs import Engine
from superneurons.serve.metrics import Numbers
from superneurons.serve.service import Observer, Service

__all__ = ["create_app"]


def create_app(
    engine: Engine,
    doors: Doors | None = None,
    *,
    observers: Sequence[Observer] = (),
    sources: Mapping[str, Numbers] | None = None,
    fetcher: Fetcher | None = None,
    promised: float | None = None,
) -> FastAPI:
    """Make the application that serves an engine.

    Parameters
    ----------
    engine
        Answers jobs. It is the caller's, who drains it.
    doors
        What is let in; by default everybody, within limits.
    observers
        Are told of every answer, on the event loop: they must not block.
    sources
        Further numbers for ``/metrics``, by prefix.
    fetcher
        Fetches pictures where ``doors`` allows that.
    promised
        Seconds in which questions are answered: where there are more than that allows, some are
        refused before they are read. By default only the engine refuses.

    Returns
    -------
    fastapi.FastAPI
        Its ``state.service`` is what the endpoints share.
    """
    doors = doors or Doors()
    admission = None if promised is None else Admission(promised)
    told = dict(sources or {}) | ({} if admission is None else {"admission": admission.state})
    service = Service(engine, doors, observers=observers, sources=told, fetcher=fetcher)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="superneurons",
        version=version("superneurons"),
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for door in (systemone, classify, chat, models, health, page):
        app.include_router(door.router(service))
    for kind in (SuperNeuronsError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _refuse)
    if admission is not None:
        app.add_middleware(Shedding, admission=admission)
    app.add_middleware(Guard, doors=doors, metrics=service.metrics)
    describe(app)
    return app


async def _refuse(_request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        error = DataError(
            "The request is not as it should be.",
            problems=[
                Problem(".".join(map(str, found["loc"])), found["msg"]) for found in error.errors()
            ],
            mend="GET /openapi.json has its schema.",
        )
    return error_response(error)
