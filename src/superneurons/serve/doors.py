"""What the doors of the service let in."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from superneurons.errors import DataError, Problem

__all__ = ["LOOPBACK", "Doors", "hosts_of", "is_loopback"]

LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
"""What a service on a loopback address is called."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Limits of what is asked over HTTP, before the engine sees any of it.

    Parameters
    ----------
    token
        What callers have to send as bearer token; ``None`` lets everybody in.
    hosts
        Names (without port) that the ``Host`` header may have; empty takes any. On a loopback
        address this keeps web pages out that point a name of their own at it.
    max_body
        Bytes of one request's body.
    max_pixels
        Pixels of one picture, as its header says, before it is decoded.
    max_bytes
        Bytes of all bodies and decoded pictures held at once; more is told to come again.
    body_s
        Seconds in which a body has to arrive.
    deadline_s
        Seconds in which a request is answered; a request may ask for less, not for more.
    threads
        Threads that decode pictures, and as many that fetch them.
    remote_pictures
        Whether pictures are fetched from addresses that callers name.
    fetch_s
        Seconds for fetching one picture, redirects included.

    Raises
    ------
    DataError
        Lists each limit that isn't above 0, and a token that no header can carry.

    Examples
    --------
    >>> Doors().max_pixels
    25000000
    """

    token: str | None = None
    hosts: tuple[str, ...] = ()
    max_body: int = 20_000_000
    max_pixels: int = 25_000_000
    max_bytes: int = 1_000_000_000
    body_s: float = 30.0
    deadline_s: float = 30.0
    threads: int = 4
    remote_pictures: bool = False
    fetch_s: float = 5.0

    def __post_init__(self) -> None:
        names = ("max_body", "max_pixels", "max_bytes", "body_s", "deadline_s", "threads")
        problems = [
            Problem(name, f"{getattr(self, name)} is not above 0")
            for name in (*names, "fetch_s")
            if not getattr(self, name) > 0
        ]
        token = self.token
        if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
            problems.append(Problem("token", "empty, or with characters no header can carry"))
        if problems:
            raise DataError(
                "The service cannot be opened like this.",
                problems=problems,
                mend="Give limits above 0, and a token of printable ASCII characters.",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_of(host: str, further: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a service may be called by; none where it takes any.

    Parameters
    ----------
    host
        The address it listens on.
    further
        Names that are taken, too; on an address that others reach, only these are.

    Examples
    --------
    >>> hosts_of("127.0.0.1", ["Cats.local"])
    ('127.0.0.1', '[::1]', 'cats.local', 'localhost')
    >>> hosts_of("0.0.0.0", [])
    ()
    """
    names = {name.lower() for name in further}
    own = {*LOOPBACK, f"[{host}]" if ":" in host else host}
    return tuple(sorted(names | own if is_loopback(host) else names))
