"""``superneurons serve``."""

from __future__ import annotations

import sys
from pathlib import Path

from superneurons._extras import require
from superneurons.cli import options
from superneurons.cli import serve_options as own
from superneurons.cli.output import quiet
from superneurons.errors import DataError

__all__ = ["serve"]


def serve(
    classifiers: own.Classifiers,
    model: options.MovedModel = None,
    host: own.Host = "127.0.0.1",
    port: own.Port = 8000,
    token_file: own.TokenFile = None,
    allow_host: own.AllowHost = None,
    base: own.Base = None,
    threshold: own.Thresholds = None,
    lock: own.Lock = None,
    log: own.Log = None,
    log_pictures: own.LogPictures = False,
    remote: own.Remote = None,
    remote_model: own.RemoteModel = "default",
    max_batch: own.MaxBatch = 16,
    window_ms: own.Window = 3.0,
    queue: own.Queue = 256,
    max_wait_s: own.MaxWait = 1.0,
    cache_mb: own.Cache = 256,
    deadline_s: own.Deadline = 30.0,
    max_body_mb: own.MaxBody = 20.0,
    max_pixels: own.MaxPixels = 25_000_000,
    allow_remote_pictures: own.Fetch = False,
    grace_s: own.Grace = 30.0,
    acceleration: options.Accelerated = "auto",
    preparation: options.Prepared = "auto",
    device: options.Device = "auto",
    trust_remote_code: options.Trust = False,
) -> None:
    """Answer questions about pictures over HTTP, until told to end.

    POST /v1/systemone, /classify and /v1/chat/completions; GET /v1/models, /health, /metrics.
    SIGTERM refuses new requests, answers the accepted ones, and exits with 0.
    """
    _prepare(log, log_pictures)
    from superneurons.serve.auth import read_token
    from superneurons.serve.doors import Doors, hosts_of
    from superneurons.serve.opening import Beside, run
    from superneurons.serve.settings import EngineSettings

    settings = EngineSettings(
        max_batch=max_batch, window=window_ms / 1000, max_queue=queue, max_wait=max_wait_s,
        cache_bytes=cache_mb * 2**20, base=base, thresholds=_thresholds(threshold or []),
    )  # fmt: skip
    doors = Doors(
        token=read_token(token_file), hosts=hosts_of(host, allow_host or []),
        max_body=_bytes(max_body_mb), max_pixels=max_pixels, deadline_s=deadline_s,
        remote_pictures=allow_remote_pictures,
    )  # fmt: skip
    beside = Beside(
        remote=remote, remote_model=remote_model, lock=lock, log=log, log_pictures=log_pictures
    )
    opening = {
        "model": model, "acceleration": acceleration, "preparation": preparation,
        "device": device, "trust_remote_code": trust_remote_code,
    }  # fmt: skip
    run(
        classifiers, settings, doors, beside, address=(host, port), opening=opening,
        grace=grace_s, say=_say,
    )  # fmt: skip


def _prepare(log: Path | None, pictures: bool) -> None:
    for package in ("fastapi", "uvicorn", "prometheus_client", "httpx"):
        require(package, extra="serve", purpose="Serving")
    quiet()
    if pictures and log is None:
        raise DataError(
            "Pictures are kept beside a log, and there is none.",
            where="--log-pictures",
            mend="Add --log FILE.",
        )


def _bytes(megabytes: float) -> int:
    if not 0 < megabytes < 1e6:
        raise DataError(
            f"{megabytes} MB is no limit.", where="--max-body-mb", mend="Give some, such as 20."
        )
    return int(megabytes * 1e6)


def _say(told: str) -> None:
    print(f"superneurons: {told}", file=sys.stderr, flush=True)


def _thresholds(given: list[str]) -> dict[str, float]:
    found = {}
    for text in given:
        name, _, value = text.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise DataError(
                f"{text!r} is no name and number.", where="--threshold", mend="Write NAME=0.9."
            ) from error
    return found
