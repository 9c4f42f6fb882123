"""What every request passes: host, token, a name for it, a count of it, an answer to it."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from superneurons.errors import BusyError
from superneurons.serve.auth import has_token
from superneurons.serve.doors import Doors
from superneurons.serve.errors import error_response, refused
from superneurons.serve.ids import new_id
from superneurons.serve.metrics import Metrics

__all__ = ["OPEN", "Guard"]

OPEN = {"/", "/health", "/health/live", "/health/ready"}
"""What is answered without a token: the page, which asks for it, and whether the service lives."""

_LOG = logging.getLogger("superneurons.serve")
_ID = re.compile(rb"[\w.-]{1,64}", re.ASCII)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Guard:
    """Wraps the application.

    Parameters
    ----------
    app
        What is guarded.
    doors
        Token and hosts.
    metrics
        Is told of every request.
    """

    def __init__(self, app: ASGIApp, doors: Doors, metrics: Metrics) -> None:
        self._app, self._doors, self._metrics = app, doors, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever becomes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        headers = dict(scope["headers"])
        scope["request_id"] = _name(headers.get(b"x-request-id"))

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-Id"] = scope["request_id"]
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
            await send(message)

        try:
            refusal = self._refusal(scope["path"], headers)
            if refusal is None:
                await self._app(scope, receive, sent)
            else:
                await error_response(refusal)(scope, receive, sent)
        except ClientDisconnect:
            status = 499  # nobody is there to be told
        except asyncio.CancelledError:  # the process ends, and waits no longer
            if status != 0:
                raise
            error = BusyError("The service stopped before this was answered.", mend="Ask again.")
            await error_response(error)(scope, receive, sent)
        except Exception as error:
            _LOG.exception("request %s failed", scope["request_id"])
            if status == 0:
                await error_response(error)(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requested(route, status, time.perf_counter() - started)

    def _refusal(self, path: str, headers: Mapping[bytes, bytes]) -> Exception | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._doors.hosts and _without_port(host) not in self._doors.hosts:
            return refused(
                400,
                f"This service is not called {host[:80]!r}.",
                where="Host",
                mend="Use the address that it listens on, or start it with --allow-host.",
            )
        token = self._doors.token
        if token is None or path in OPEN or has_token(headers.get(b"authorization"), token):
            return None
        return refused(
            401,
            "The token is missing or wrong.",
            where="Authorization",
            mend="Send Authorization: Bearer, followed by the token.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _name(given: bytes | None) -> str:
    if given is not None and _ID.fullmatch(given):
        return given.decode()
    return new_id()


def _without_port(host: str) -> str:
    return re.sub(r":\d*$", "", host)
