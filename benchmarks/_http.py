"""A small HTTP client that asks over many connections at once, and measures."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Check = Callable[[int, Any], bool]


@dataclass
class Tally:
    """What a phase found.

    Parameters
    ----------
    statuses
        How often each was seen; 0 stands for a broken connection.
    seconds
        Of each accepted request.
    wrong
        Answers that belong to another request, or to none.
    retry_after
        Refusals that say when to come again.
    late
        Requests of an open loop that found no free connection, and were not sent.
    begun, ended
        Moments of :func:`time.perf_counter`.
    stolen
        Seconds that other machines of the host took from ours, of all its cores.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    retry_after: int = 0
    late: int = 0
    begun: float = field(default_factory=time.perf_counter)
    ended: float = 0.0
    stolen: float = field(default_factory=lambda: -stolen_seconds())

    def end(self) -> Tally:
        """Stop the clocks."""
        self.ended = time.perf_counter()
        self.stolen += stolen_seconds()
        return self

    @property
    def asked(self) -> int:
        return sum(self.statuses.values())

    @property
    def per_second(self) -> float:
        """Accepted requests per second."""
        return len(self.seconds) / max(1e-9, self.ended - self.begun)

    @property
    def stolen_share(self) -> float:
        """Of the time of all cores."""
        return self.stolen / max(1e-9, (self.ended - self.begun) * (os.cpu_count() or 1))

    def quantile(self, share: float) -> float:
        """Milliseconds of an accepted request."""
        ordered = sorted(self.seconds) or [float("nan")]
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def as_dict(self) -> dict[str, Any]:
        return {
            "asked": self.asked,
            "statuses": {str(k): v for k, v in sorted(self.statuses.items())},
            "wrong": self.wrong,
            "refusals_with_retry_after": self.retry_after,
            "not_sent": self.late,
            "stolen_share": round(
                self.stolen / ((self.ended - self.begun) * (os.cpu_count() or 1)), 3
            ),
            "accepted_per_s": round(self.per_second, 1),
            "p50_ms": round(self.quantile(0.5), 2),
            "p99_ms": round(self.quantile(0.99), 2),
            "max_ms": round(self.quantile(1.0), 2),
        }


def merged(*tallies: Tally) -> Tally:
    """Phases of one kind as one."""
    both = Tally(seconds=[took for tally in tallies for took in tally.seconds])
    both.begun, both.ended = tallies[0].begun, tallies[-1].ended
    return both


def stolen_seconds() -> float:
    """Since this machine started; 0 where that isn't known."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    return int(fields[8]) / os.sysconf("SC_CLK_TCK") if len(fields) > 8 else 0.0


def request_bytes(path: str, body: Any) -> bytes:
    """A whole request, made once and sent often."""
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class Connection:
    """One connection, kept open between requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its answer; status 0 when the connection broke."""
        try:
            if self._streams is None or self._streams[0].at_eof():  # kept open for too long
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            if fields.get("connection", "").lower() == "close":
                self.close()
            return int(head[0].split()[1]), fields, body
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, {}, b""

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _one(
    connection: Connection, requests: Sequence[bytes], number: int, check: Check, tally: Tally,
    since: float | None = None,
) -> None:  # fmt: skip
    begun = time.perf_counter() if since is None else since
    which = number % len(requests)
    status, fields, body = await connection.ask(requests[which])
    tally.statuses[status] += 1
    if status == 200:
        tally.seconds.append(time.perf_counter() - begun)
        tally.wrong += not check(which, json.loads(body))
    elif status in (429, 503):
        tally.retry_after += "retry-after" in fields


async def closed_loop(
    port: int, requests: Sequence[bytes], check: Check, *, connections: int, count: int,
    start: int = 0,
) -> Tally:  # fmt: skip
    """Ask ``count`` requests, each connection its next one as soon as it has an answer."""
    tally, numbers = Tally(), iter(range(start, start + count))

    async def client(own: Iterator[int]) -> None:
        connection = Connection(port)
        for number in own:
            await _one(connection, requests, number, check, tally)
        connection.close()

    await asyncio.gather(*(client(numbers) for _ in range(connections)))
    return tally.end()


async def open_loop(
    port: int, requests: Sequence[bytes], check: Check, *, rate: float, seconds: float,
    connections: int, each_second: Callable[[], None] = lambda: None,
) -> Tally:  # fmt: skip
    """Ask at a rate, whether or not answers come; times count from when a request was due."""
    tally = Tally()
    free = [Connection(port) for _ in range(connections)]
    running: set[asyncio.Task[None]] = set()
    number, told = 0, 0

    async def ask(connection: Connection, which: int, due: float) -> None:
        await _one(connection, requests, which, check, tally, due)
        free.append(connection)

    while (now := time.perf_counter() - tally.begun) < seconds:
        while number < now * rate:
            due = tally.begun + number / rate
            number += 1
            if not free:
                tally.late += 1
                continue
            task = asyncio.create_task(ask(free.pop(), number, due))
            running.add(task)
            task.add_done_callback(running.discard)
        if now >= told:
            told += 1
            each_second()
        await asyncio.sleep(0.001)
    await asyncio.gather(*running)
    for connection in free:
        connection.close()
    return tally.end()
