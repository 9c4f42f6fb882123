"""From the bytes of a body to what is asked and the pictures it is about, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from PIL.Image import Image
from pydantic import BaseModel, ValidationError

from superneurons.errors import DataError, Problem
from superneurons.serve.asked import Plan
from superneurons.serve.doors import Doors
from superneurons.serve.fetch import Fetcher
from superneurons.serve.limits import Share, parse_json
from superneurons.serve.pictures import data_of, decode, is_address

__all__ = ["Reader", "validated"]

_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)


def validated(schema: type[_M], value: Any) -> _M:
    """Check a body against its schema.

    Raises
    ------
    DataError
        Lists everything that is wrong with it.
    """
    try:
        return schema.model_validate(value, strict=True)
    except ValidationError as error:
        problems = [
            Problem(".".join(str(part)[:80] for part in found["loc"]) or "body", found["msg"])
            for found in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise DataError(
            "The request is not as it should be.",
            problems=problems[:100],
            mend="GET /openapi.json has its schema.",
        ) from error


class Reader:
    """Parses bodies and decodes pictures in a few threads, and fetches pictures in others.

    Parameters
    ----------
    doors
        How many threads, how large pictures may be, and whether they are fetched.
    fetcher
        By default one that goes to public addresses only.
    """

    def __init__(self, doors: Doors, fetcher: Fetcher | None = None) -> None:
        self._doors = doors
        self._fetcher = None
        if doors.remote_pictures:
            self._fetcher = fetcher or Fetcher(doors.max_body, doors.fetch_s)
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def close(self) -> None:
        """Let the threads go, what they are doing finished first; reading again makes new ones."""
        while self._pools:
            self._pools.popitem()[1].shutdown()

    async def read(
        self, body: bytes, understand: Callable[[Any], Plan], share: Share
    ) -> tuple[Plan, dict[str, Image]]:
        """Read a body.

        Parameters
        ----------
        body
            JSON.
        understand
            Turns what was parsed into a plan.
        share
            Memory for decoded pictures is taken from there.

        Returns
        -------
        plan
            What is asked.
        pictures
            By name.

        Raises
        ------
        DataError
            Lists every picture that cannot be used; or what ``understand`` finds wrong.
        HTTPException
            When it is no JSON, or too much of it.
        BusyError
            When all requests together hold too much.
        """
        plan, found = await self._in("decode", partial(self._decoded, body, understand, share))
        far = {name: url for name, url in plan.sources.items() if name not in found}
        fetched = await asyncio.gather(
            *(self._in("fetch", partial(self._fetched, url, share)) for url in far.values())
        )
        found |= dict(zip(far, fetched, strict=True))
        problems = [
            Problem(name, found[name].what)  # type: ignore[union-attr]
            for name in plan.sources
            if isinstance(found[name], DataError)
        ]
        if problems:
            raise DataError(
                f"{len(problems)} of {len(found)} pictures cannot be used.",
                problems=problems,
                mend="Send a JPEG, PNG, WebP, GIF, BMP or TIFF file as base64.",
            )
        return plan, {name: one for name, one in found.items() if not isinstance(one, DataError)}

    def _decoded(
        self, body: bytes, understand: Callable[[Any], Plan], share: Share
    ) -> tuple[Plan, dict[str, Image | DataError]]:
        plan = understand(parse_json(body))
        found: dict[str, Image | DataError] = {}
        for name, source in plan.sources.items():
            if not is_address(source):
                found[name] = self._tried(partial(data_of, source), share)
            elif self._fetcher is None:
                found[name] = DataError("an address, and this service fetches nothing")
        return plan, found

    def _fetched(self, url: str, share: Share) -> Image | DataError:
        assert self._fetcher is not None
        return self._tried(partial(self._fetcher.fetch, url), share)

    def _tried(self, data: Callable[[], bytes], share: Share) -> Image | DataError:
        try:
            return decode(data(), self._doors, share)
        except DataError as error:
            return error

    async def _in(self, pool: str, work: Callable[[], _T]) -> _T:
        if pool not in self._pools:
            self._pools[pool] = ThreadPoolExecutor(self._doors.threads, pool)
        return await asyncio.get_running_loop().run_in_executor(self._pools[pool], work)
