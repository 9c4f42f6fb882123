"""Pictures fetched from addresses that strangers name, and from nowhere inside."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from superneurons.errors import DataError

__all__ = ["Fetcher", "is_public"]

_MOST_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}
_PART = 65_536
_USUAL_PORTS, _FIRST_FREE_PORT = {80, 443}, 1024
# Public by number, yet answered by the host of a virtual machine in Azure's cloud.
_INSIDE = {ipaddress.ip_address("168.63.129.16")}


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: nothing private, local or reserved.

    Addresses that carry an IPv4 address in them are judged by that.

    Examples
    --------
    >>> is_public("93.184.215.14"), is_public("::ffff:127.0.0.1"), is_public("169.254.169.254")
    (True, False, False)
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or _nat64(ip)
        if ip.teredo is not None or (inner is not None and not is_public(str(inner))):
            return False
        if inner is not None:
            return True
        if ip.is_site_local:
            return False
    if ip in _INSIDE:
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    within = ip in ipaddress.ip_network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if within else None


@dataclass(frozen=True)
class Fetcher:
    """Fetches pictures over HTTP and HTTPS.

    Each name is resolved once, all its addresses have to be allowed, and the connection goes to
    one of these: a name that points elsewhere a moment later leads nowhere else. So it is for each
    of at most three redirects. What comes is only bytes: whether they are a picture is decided by
    decoding them.

    Parameters
    ----------
    max_bytes
        Of one picture.
    seconds
        For one picture, redirects included.
    allowed
        Which IP addresses may be connected to.
    context
        How certificates are verified.
    """

    max_bytes: int
    seconds: float
    allowed: Callable[[str], bool] = is_public
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def fetch(self, url: str) -> bytes:
        """Return what is at an address.

        Raises
        ------
        DataError
            When the address is of another kind, carries a password, leads (or redirects) to
            somewhere that is not public, answers with an error, takes too long, or sends too much.
        """
        end = time.monotonic() + self.seconds
        for _ in range(1 + _MOST_REDIRECTS):
            parts = _checked(url)
            try:
                body, onward = self._ask(parts, end)
            except TimeoutError as error:
                raise DataError(f"did not come within {self.seconds:g} s") from error
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                raise DataError("could not be fetched") from error
            if onward is None:
                return body
            url = urljoin(url, onward)
        raise DataError(f"redirects more than {_MOST_REDIRECTS} times")

    def _ask(self, parts: SplitResult, end: float) -> tuple[bytes, str | None]:
        host, tls = str(parts.hostname), parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        sock = self._connected(host, port, tls=tls, end=end)
        # Whoever sends a byte now and then never runs into the time limit of a single read.
        late = threading.Timer(_left(end), _hang_up, [sock])
        late.start()
        connection = http.client.HTTPConnection(host, port)
        connection.sock = sock
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers={"Accept": "image/*", "Connection": "close"})
            with connection.getresponse() as answer:
                found = self._received(answer)
        except (OSError, http.client.HTTPException, ValueError):
            _left(end)  # hung up: what failed is of no interest
            raise
        finally:
            late.cancel()
            connection.close()
            sock.close()
        _left(end)
        return found

    def _received(self, answer: http.client.HTTPResponse) -> tuple[bytes, str | None]:
        onward = answer.getheader("Location")
        if answer.status in _REDIRECTS and onward:
            return b"", onward
        if answer.status != 200:
            raise DataError(f"answers {answer.status}")
        body = bytearray()
        while part := answer.read1(_PART):
            body += part
            if len(body) > self.max_bytes:
                raise DataError(f"is longer than {self.max_bytes:,} bytes")
        return bytes(body), None

    def _connected(self, host: str, port: int, *, tls: bool, end: float) -> socket.socket:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not found or not all(self.allowed(str(address[4][0])) for address in found):
            raise DataError("leads to an address that is not public")
        kind, _, protocol, _, address = found[0]
        sock = socket.socket(kind, socket.SOCK_STREAM, protocol)
        try:
            sock.settimeout(_left(end))
            sock.connect(address)
            if not tls:
                return sock
            return self.context.wrap_socket(
                sock, server_hostname=host, do_handshake_on_connect=False
            )
        except BaseException:
            sock.close()
            raise


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise DataError(f"is no address: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise DataError(f"is of the kind {parts.scheme!r}; only http and https are fetched")
    if not host or port == 0 or any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise DataError("is no address of a picture")
    if port is not None and port < _FIRST_FREE_PORT and port not in _USUAL_PORTS:
        raise DataError(f"is on port {port}, where no pictures are")
    if parts.username is not None or parts.password is not None:
        raise DataError("carries a name or password")
    return parts
