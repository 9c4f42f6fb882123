"""From directories to a service that runs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from superneurons.errors import MismatchError, Problem, ServiceError
from superneurons.evaluate.stage_checking import moved_stages
from superneurons.serve.app import create_app
from superneurons.serve.doors import Doors, is_loopback
from superneurons.serve.drift import Drift
from superneurons.serve.engine import ModelEngine
from superneurons.serve.loading import load_served
from superneurons.serve.log import AnswerLog, LogSettings, check_log
from superneurons.serve.metrics import Numbers
from superneurons.serve.remote_client import RemoteClient
from superneurons.serve.running import bind, serve
from superneurons.serve.service import Observer
from superneurons.serve.settings import EngineSettings
from superneurons.shortcut.lock import Lock, Locked, artefact_digest, read_lock

__all__ = ["REMOTE_TOKEN", "Beside", "locked", "run"]

REMOTE_TOKEN = "SUPERNEURONS_REMOTE_TOKEN"
"""The environment variable with the token of the service that is asked last."""

_SWITCH_S = 0.0005


@dataclass(frozen=True, slots=True)
class Beside:
    """What a service has beside its classifiers; by default nothing.

    Parameters
    ----------
    remote, remote_model
        Another service that is asked last, and for which model.
    lock
        What ``superneurons lock`` wrote: its thresholds count where the settings have none.
    log, log_pictures
        File to which every answer is written, and whether the pictures are kept beside it.
    """

    remote: str | None = None
    remote_model: str = "default"
    lock: Path | None = None
    log: Path | None = None
    log_pictures: bool = False


def run(
    directories: Sequence[Path],
    settings: EngineSettings,
    doors: Doors,
    beside: Beside | None = None,
    *,
    address: tuple[str, int] = ("127.0.0.1", 8000),
    opening: Mapping[str, Any] | None = None,
    grace: float = 30.0,
    say: Callable[[str], None] = lambda _told: None,
) -> None:
    """Open classifiers, serve them, and return when told to end.

    Parameters
    ----------
    directories
        Of classifiers and cascades.
    settings, doors
        Limits of the engine, and of what is let in.
    beside
        Another service, a lock, a log.
    address
        Host and port.
    opening
        Further arguments of :func:`~superneurons.serve.loading.load_served`.
    grace
        Seconds that accepted requests have when it ends.
    say
        Is told the address once it takes requests, and in the end what it has answered.

    Raises
    ------
    OutputError
        When the port can't be had or the log can't be written, before any model is opened.
    ArtefactError, DataError, MismatchError, ModelError
        When the lock or the classifiers can't be opened: before anybody is let in.
    ServiceError
        When accepted requests were not answered in time at the end.
    """
    if doors.token is None and not is_loopback(address[0]):
        say(f"anybody who reaches {address[0]} can ask: give a token")
    client = _client(beside := beside or Beside())
    if beside.log is not None:
        check_log(beside.log, pictures=beside.log_pictures)
    held = Lock({}) if beside.lock is None else read_lock(beside.lock)
    settings = locked(settings, held, directories)
    with bind(*address) as port, nullcontext() if client is None else closing(client):
        served = load_served(directories, settings, **(opening or {}))
        engine = ModelEngine(served, settings, remote=client)
        if client is not None:
            client.classifiers = dict(engine.classifiers)
        with closing(_Watching(engine, held, beside)) as watching:
            # How long another service takes says nothing of how busy this one is.
            app = _app(engine, doors, watching, settings.max_wait if client is None else None)
            _settle()
            names = ", ".join(engine.classifiers)
            drained = serve(
                app, engine, port, grace=grace, started=lambda where: say(f"{names} on {where}")
            )
    _take_leave(engine.state(), grace, say, drained=drained)


def _app(engine: ModelEngine, doors: Doors, watching: _Watching, promised: float | None) -> FastAPI:
    return create_app(
        engine,
        doors,
        promised=promised,
        observers=watching.observers,
        sources=watching.sources,
    )


def _client(beside: Beside) -> RemoteClient | None:
    if beside.remote is None:
        return None
    token = os.environ.get(REMOTE_TOKEN)
    return RemoteClient(beside.remote, beside.remote_model, token=token)


def _settle() -> None:
    """Set up the interpreter for a process that serves."""
    # Else the event loop waits 5 ms for its turn whenever a thread computes: 3 times as slow.
    sys.setswitchinterval(_SWITCH_S)
    # What is open stays: to look through all of it for garbage would stop everything for long.
    gc.collect()
    gc.freeze()


def _take_leave(
    counts: Mapping[str, float], grace: float, say: Callable[[str], None], *, drained: bool
) -> None:
    say(f"{counts.get('answered', 0):.0f} answered, {counts.get('refused', 0):.0f} refused")
    if not drained:
        raise ServiceError(
            f"Not all accepted requests were answered within {grace:g} s and one signal.",
            mend="Give more with --grace-s, and no second signal.",
        )


class _Watching:
    """What looks at answers as they go: their drift from a lock, and a log."""

    def __init__(self, engine: ModelEngine, lock: Lock, beside: Beside) -> None:
        fitted = engine.classifiers
        drift = Drift(fitted, lock.classifiers)
        self.observers: list[Observer] = [drift]
        self.sources: dict[str, Numbers] = {"drift": drift.metrics}
        self._log = None
        if beside.log is not None:
            self._log = AnswerLog(beside.log, fitted, LogSettings(pictures=beside.log_pictures))
            self.observers.append(self._log)
            self.sources["log"] = self._log.metrics

    def close(self) -> None:
        if self._log is not None:
            self._log.close()


def locked(settings: EngineSettings, lock: Lock, directories: Sequence[Path]) -> EngineSettings:
    """Take thresholds from a lock, where there are none.

    Raises
    ------
    MismatchError
        Lists every classifier or cascade that isn't the one that was locked under its name.
    """
    names = {Path(directory).resolve().name: Path(directory) for directory in directories}
    held = {name: path for name, path in names.items() if lock.threshold(name) is not None}
    problems = [
        problem
        for name, path in held.items()
        for problem in _not_as_locked(name, path, lock.locked(name))
    ]
    if problems:
        raise MismatchError(
            "The lock is of other classifiers.",
            problems=problems,
            mend="Lock these again with `superneurons lock`, or serve those that were locked.",
        )
    # Where all answers are given there is nothing to go on to, and no base model to keep for it.
    thresholds = {name: t for name in held if (t := lock.locked(name).threshold) > 0}
    return replace(settings, thresholds=thresholds | dict(settings.thresholds))


def _not_as_locked(name: str, path: Path, then: Locked) -> Iterator[Problem]:
    if artefact_digest(path) != then.artefact:
        yield Problem(name, "was fitted or changed after it was locked")
    elif then.stages:
        # A cascade answers by its own thresholds: others that somebody wrote into the lock would
        # be passed over in silence.
        yield from (Problem(f"{name}.{what}", told) for what, told in moved_stages(then, path))
