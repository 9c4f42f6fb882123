"""The client of the service's benchmark: it has to see what goes wrong."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from _http import closed_loop, open_loop, request_bytes
from serve_load import Load, pictures

REQUESTS = [request_bytes("/classify", {"n": n}) for n in range(5)]


def right(which: int, answer: Any) -> bool:
    return bool(answer["n"] == which)


@asynccontextmanager
async def answering(respond: Any) -> AsyncIterator[int]:
    """A server that answers each body with a status and headers of ``respond``'s choosing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.split("Content-Length: ")[1].split("\r\n")[0])
                status, extra, body = await respond(json.loads(await reader.readexactly(length)))
                if status == 0:
                    break
                data = json.dumps(body).encode()
                top = f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n{extra}\r\n"
                writer.write(top.encode() + data)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def test_a_closed_loop_counts_everything_and_finds_swapped_answers() -> None:
    seen: list[int] = []

    async def respond(body: Any) -> Any:
        seen.append(body["n"])
        swapped = len(seen) in (7, 9)
        if len(seen) == 11:
            return 503, "Retry-After: 1\r\n", {}
        if len(seen) == 13:
            return 0, "", {}
        return 200, "", {"n": (body["n"] + swapped) % 5}

    async def go() -> Any:
        async with answering(respond) as port:
            return await closed_loop(port, REQUESTS, right, connections=3, count=40)

    tally = asyncio.run(go())
    assert dict(tally.statuses) == {200: 38, 503: 1, 0: 1}
    assert (tally.asked, tally.wrong, tally.retry_after) == (40, 2, 1)
    assert len(tally.seconds) == 38
    assert sorted(seen) == sorted(n % 5 for n in range(40))
    assert tally.quantile(0.5) <= tally.quantile(0.99) <= tally.quantile(1)


def test_an_open_loop_keeps_its_rate_and_counts_from_when_a_request_was_due() -> None:
    async def respond(body: Any) -> Any:
        await asyncio.sleep(0.2)
        return 200, "", body

    async def go(connections: int) -> Any:
        async with answering(respond) as port:
            return await open_loop(
                port, REQUESTS, right, rate=100, seconds=0.5, connections=connections
            )

    begun = time.perf_counter()
    tally = asyncio.run(go(64))
    assert 40 <= tally.asked <= 51
    assert tally.late == 0
    assert tally.quantile(0) >= 200
    assert time.perf_counter() - begun < 5
    few = asyncio.run(go(2))
    assert few.late > 30, "what could not be sent is told"
    assert few.asked + few.late >= 40


def test_answers_are_matched_to_their_pictures_by_all_probabilities(tmp_path: Path) -> None:
    expected = np.array([[0.7, 0.3], [0.3, 0.7]])
    load = Load(tmp_path, pictures(2), expected)
    assert len(set(load.requests)) == 2
    answer = {"data": [{"probs": [0.7001, 0.2999]}]}
    assert load.right(0, answer)
    assert not load.right(1, answer)
    rounded = {"data": [{"probs": [0.6, 0.4]}]}
    assert not load.right(0, rounded)
    on_gpu = Load(tmp_path, pictures(2), expected, device="cuda")
    assert on_gpu.right(0, rounded)
    assert not on_gpu.right(1, rounded)
