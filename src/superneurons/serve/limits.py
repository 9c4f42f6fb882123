"""How much is taken in: of one request, and of all at once."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any

from pydantic_core import from_json
from starlette.requests import Request

from superneurons.errors import BusyError, DeadlineError
from superneurons.serve.doors import Doors
from superneurons.serve.errors import refused

__all__ = ["Budget", "Share", "parse_json", "read_body"]

_MOST_VALUES = 100_000
_DEEPEST = 32


class Budget:
    """Bytes that all requests may hold at once.

    Parameters
    ----------
    limit
        Of bodies and decoded pictures together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """Bytes that are held now."""
        return self._taken

    def share(self) -> Share:
        """Return what one request takes; as a context it gives everything back."""
        return Share(self)

    def change(self, by: int) -> bool:
        """Take (or, below 0, give back) bytes; return whether they were there."""
        with self._lock:
            if by > 0 and self._taken and self._taken + by > self._limit:
                return False
            self._taken += by
            return True


class Share:
    """What one request holds of a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._own = 0
        self._closed = False
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Take more bytes.

        Raises
        ------
        BusyError
            When all requests together hold too many.
        DeadlineError
            When the request is over: nobody waits for what would be done with them.
        """
        with self._lock:
            if self._closed:
                raise DeadlineError("The request was given up.")
            if not self._budget.change(size):
                raise BusyError(
                    "Too much is being asked at once.", retry_after=1.0, mend="Ask again later."
                )
            self._own += size

    def __enter__(self) -> Share:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = True
            self._budget.change(-self._own)


async def read_body(request: Request, doors: Doors, share: Share) -> bytes:
    """Read the body of a request, no further than it is allowed to be.

    Raises
    ------
    HTTPException
        415 when it isn't JSON, or compressed; 413 when it is longer than ``doors.max_body``,
        whatever its length was said to be; 408 when it takes longer than ``doors.body_s``.
    BusyError
        When all requests together hold too much.
    """
    _check_headers(request, doors)
    body = bytearray()
    try:
        async with asyncio.timeout(doors.body_s):
            async for part in request.stream():
                body += part
                share.take(len(part))
                if len(body) > doors.max_body:
                    raise _too_large(doors)
    except TimeoutError as error:
        raise refused(
            408,
            f"The body did not arrive within {doors.body_s:g} s.",
            mend="Send it faster, or a smaller one.",
            headers={"Connection": "close"},
        ) from error
    return bytes(body)


def _check_headers(request: Request, doors: Doors) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise refused(
            415,
            f"The body is {kind or 'of no known kind'}, not application/json.",
            where="Content-Type",
            mend="Send JSON with Content-Type: application/json; pictures go in it as base64.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise refused(
            415, "The body is compressed.", where="Content-Encoding", mend="Send it as it is."
        )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > doors.max_body:
        raise _too_large(doors)


def _too_large(doors: Doors) -> Exception:
    return refused(
        413,
        f"The body is longer than {doors.max_body:,} bytes.",
        mend="Send smaller or fewer pictures.",
        headers={"Connection": "close"},
    )


def parse_json(body: bytes) -> Any:
    """Parse a body: strict UTF-8, no NaN, not deep, not many values.

    Raises
    ------
    HTTPException
        400 when it is no JSON; 413 when it nests deeper than 32, or has more than 100,000 values.

    Examples
    --------
    >>> parse_json(b'{"model": "bright"}')
    {'model': 'bright'}
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_VALUES:
        raise refused(413, f"The body has more than {_MOST_VALUES:,} values.", mend="Send fewer.")
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise refused(
            400, f"The body is no JSON: {str(error)[:200]}", mend="Send one JSON object."
        ) from error
    if _depth(value) > _DEEPEST:
        raise refused(413, f"The body nests deeper than {_DEEPEST}.", mend="Make it flatter.")
    return value


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [
            item for one in nested for item in (one.values() if isinstance(one, dict) else one)
        ]
    return depth
