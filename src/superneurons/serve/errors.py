"""Errors as they leave the service: a status and one form of body."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from superneurons.errors import (
    BusyError,
    DataError,
    DeadlineError,
    Problem,
    ResourceError,
    ServiceError,
    SuperNeuronsError,
)

__all__ = ["TYPES", "error_body", "error_response", "refused"]

TYPES = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "busy",
    500: "internal",
    503: "unavailable",
}
"""The ``type`` of an error's body, by status."""

_AGAIN = 1.0  # seconds, where nothing better is known


class _Refusal(HTTPException):
    """Knows what it says; ``raise … from`` something else doesn't change that."""

    def __init__(self, status: int, error: DataError, headers: Mapping[str, str] | None) -> None:
        super().__init__(status, error.what, dict(headers) if headers else None)
        self.error = error


def refused(
    status: int,
    what: str,
    *,
    where: str | None = None,
    mend: str | None = None,
    problems: tuple[Problem, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> HTTPException:
    """Make what an endpoint raises to refuse a request with a status of its own.

    Examples
    --------
    >>> refused(413, "The body is too large.").status_code
    413
    """
    error = DataError(what, where=where, mend=mend, problems=problems)
    return _Refusal(status, error, headers)


def error_body(status: int, error: SuperNeuronsError) -> dict[str, Any]:
    """Return the body of an error: what, where, how to mend it, and all problems.

    Examples
    --------
    >>> error_body(422, DataError("No picture.", where="assets"))["error"]["type"]
    'invalid_request'
    """
    return {
        "error": {
            "type": TYPES.get(status, "error"),
            "message": error.what,
            "where": error.where,
            "mend": error.mend,
            "problems": [{"where": found.where, "what": found.what} for found in error.problems],
        }
    }


def error_response(error: Exception) -> JSONResponse:
    """Turn an exception into an answer.

    ``DataError`` is 422; ``BusyError`` 429, or 503 where the service stops; what else keeps a
    service from answering 503; exceptions of the framework keep their status. Anything else is a
    defect: 500, and nothing of it is told.
    """
    status, shown, headers = _told(error)
    return JSONResponse(error_body(status, shown), status, headers)


def _told(error: Exception) -> tuple[int, SuperNeuronsError, dict[str, str]]:
    if isinstance(error, HTTPException):
        shown = error.error if isinstance(error, _Refusal) else _framework(error)
        return error.status_code, shown, dict(error.headers or {})
    if isinstance(error, DataError):
        return 422, error, {}
    if isinstance(error, BusyError):
        stopping = error.retry_after is None
        # A client that keeps its connection would be cut off when the service has stopped.
        last = {"Connection": "close"} if stopping else {}
        return (503 if stopping else 429), error, _again(error.retry_after) | last
    if isinstance(error, DeadlineError | ServiceError | ResourceError):
        return 503, error, _again(None)
    if isinstance(error, MemoryError):
        mend = "Ask again later, or about smaller pictures."
        return 503, SuperNeuronsError("There is not enough memory.", mend=mend), _again(None)
    # Of the model or an artefact, or a defect: nothing that a caller can mend.
    what = error.what if isinstance(error, SuperNeuronsError) else "This is a defect."
    return 500, SuperNeuronsError(what, mend="Tell who runs this service."), {}


def _again(seconds: float | None) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(_AGAIN if seconds is None else seconds)))}


def _framework(error: HTTPException) -> SuperNeuronsError:
    mends = {
        404: "GET /openapi.json lists the endpoints.",
        405: "See the Allow header for the methods there are.",
    }
    return SuperNeuronsError(f"{error.detail}.", mend=mends.get(error.status_code))
