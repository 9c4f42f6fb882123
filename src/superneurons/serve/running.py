"""The service as a process: a port, signals, and an end without losses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from superneurons.errors import OutputError
from superneurons.serve.jobs import Engine

__all__ = ["bind", "serve"]


def bind(host: str, port: int) -> socket.socket:
    """Take a port, without letting anybody in yet.

    Raises
    ------
    OutputError
        When it is taken, or isn't this machine's.
    """
    try:
        kind, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Only where the protocol is named does asyncio send small answers without delay.
        taken = socket.socket(kind, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise _no_port(host, port, error) from error
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except (OSError, OverflowError) as error:
        taken.close()
        raise _no_port(host, port, error) from error
    return taken


def _no_port(host: str, port: int, error: Exception) -> OutputError:
    return OutputError(
        f"The service cannot listen there: {error}.",
        where=f"{host}:{port}",
        mend="Give another --host or --port, or end what listens there.",
    )


def serve(
    app: ASGIApp,
    engine: Engine,
    port: socket.socket,
    *,
    grace: float = 30.0,
    started: Callable[[str], None] = lambda _address: None,
) -> bool:
    """Serve until the process is told to end (SIGTERM, SIGINT), and let accepted requests end.

    From the first signal on new requests are answered 503, on connections old and new; when the
    last accepted one has been answered, the port closes. A second signal ends it at once.

    Parameters
    ----------
    app
        From :func:`~superneurons.serve.app.create_app`.
    engine
        What it serves.
    port
        From :func:`bind`.
    grace
        Seconds that accepted requests have to end.
    started
        Is told the address once requests are taken.

    Returns
    -------
    bool
        Whether all accepted requests were answered.

    Raises
    ------
    OutputError
        When somebody else has begun to listen there since :func:`bind`.
    """
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=max(1, round(grace)),
    )
    server = _Server(config, engine, grace, started)
    server.run(sockets=[port])
    return server.drained and not server.cut_off


class _Server(uvicorn.Server):
    """Drains the engine before it leaves the port."""

    def __init__(
        self,
        config: uvicorn.Config,
        engine: Engine,
        grace: float,
        started: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self.drained, self.cut_off = True, False
        self._engine, self._grace, self._started = engine, grace, started
        self._draining: threading.Thread | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:  # two can hold a port until one of them listens
            host, port, *_ = sockets[0].getsockname() if sockets else ("", 0)
            raise _no_port(host, port, error) from error
        if sockets and not self.should_exit:
            host, port, *_ = sockets[0].getsockname()
            self._started(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.force_exit:
            state = self._engine.state()
            self.cut_off = state.get("queued", 0) + state.get("running", 0) > 0
            self.config.timeout_graceful_shutdown = 0
        await super().shutdown(sockets)

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        # Not the inherited one: it would raise the signal again in the end, for another exit code.
        if self._draining is not None:
            self.should_exit = self.force_exit = True
            return
        self._draining = threading.Thread(target=self._drain, daemon=True)
        self._draining.start()

    def _drain(self) -> None:
        try:
            self.drained = self._engine.drain(self._grace)
        finally:
            self.should_exit = True
