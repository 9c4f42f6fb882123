"""A local log of answers, for whoever wants to look at them and label them again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superneurons.errors import OutputError
from superneurons.serve.jobs import Answer, Fitted, Job

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["AnswerLog", "LogSettings", "check_log"]

_LOG = logging.getLogger("superneurons.serve")
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How much is kept.

    Parameters
    ----------
    pictures
        Whether pictures are kept, too, beside the log.
    max_bytes
        Of one file; then it becomes ``.1``, that ``.2``, and so on.
    files
        Older files that are kept.
    max_picture_bytes
        Of all pictures on disk; then no more are kept.
    waiting
        Answers that wait to be written, at most; more are not written.
    waiting_bytes
        Of their pictures.
    """

    pictures: bool = False
    max_bytes: int = 50_000_000
    files: int = 5
    max_picture_bytes: int = 2_000_000_000
    waiting: int = 1000
    waiting_bytes: int = 200_000_000


class AnswerLog:
    """Writes a JSON line for each answer, from a thread of its own.

    An observer of answers, which never waits: what the disk is too slow for is left out, and
    counted. Its lines are records that :func:`~superneurons.task.read.read_records` reads, where
    pictures are kept; what the service answered is in ``answer``, not in ``label``, so that
    nothing is fitted on it that nobody has looked at.

    Parameters
    ----------
    path
        The file; it is gone on with. Only its owner may read it.
    fitted
        The classifiers that are served: their own questions belong to a record.
    settings
        How much is kept.

    Raises
    ------
    OutputError
        When it cannot be written.
    """

    def __init__(
        self, path: Path, fitted: Mapping[str, Fitted], settings: LogSettings | None = None
    ) -> None:
        self._path, self._fitted, self._settings = path, fitted, settings or LogSettings()
        self._pictures = _beside(path)
        with _refusing(path):
            _prepare(path, pictures=self._settings.pictures)
            self._file = self._opened()
            sizes = {one.name: one.stat().st_size for one in self._pictures.glob("*.png")}
        self._kept, self._kept_bytes = set(sizes), sum(sizes.values())
        self._counts = dict.fromkeys(("written", "left_out", "failed", "pictures_left_out"), 0)
        self._waiting: deque[tuple[dict[str, Any], tuple[Image, ...], int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(
            target=self._write_all, name="superneurons-log", daemon=True
        )
        self._thread.start()

    def __call__(self, request_id: str, job: Job, answer: Answer) -> None:
        """Have an answer written, if there is room."""
        pictures = job.pictures if self._settings.pictures else ()
        size = sum(3 * picture.width * picture.height for picture in pictures)
        line = self._line(request_id, job, answer)
        with self._changed:
            full = len(self._waiting) >= self._settings.waiting
            if full or self._closing or self._bytes + size > self._settings.waiting_bytes:
                self._counts["left_out"] += 1
                return
            self._waiting.append((line, pictures, size))
            self._bytes += size
            self._changed.notify()

    def _line(self, request_id: str, job: Job, answer: Answer) -> dict[str, Any]:
        fitted = self._fitted.get(job.classifier or "")
        line = {
            "id": request_id,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "classifier": job.classifier,
            "question": job.question or (None if fitted is None else fitted.question),
            "answer": answer.label,
            "confidence": round(answer.confidence, 6),
            "probabilities": {name: round(p, 6) for name, p in answer.probabilities.items()},
            "depth": answer.depth,
            "layers": answer.layers,
        }
        return line | ({} if job.options is None else {"options": list(job.options)})

    def metrics(self) -> Mapping[str, float]:
        """Return how many answers were written, left out for want of time, and failed."""
        with self._changed:
            return {**self._counts, "waiting": len(self._waiting)}

    def close(self, timeout: float = 10.0) -> bool:
        """Write what waits, and nothing more; return whether all was written in time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    break
                line, pictures, size = self._waiting.popleft()
            try:
                outcome = "written"
                self._write(line | self._shown(pictures))
            except Exception:  # a full disk must end neither the log nor the service
                outcome = "failed"
                if not self._counts["failed"]:
                    _LOG.warning("An answer could not be logged.", exc_info=True)
            with self._changed:
                self._counts[outcome] += 1
                self._bytes -= size
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file.closed:  # it could not be opened when it was rotated
            self._file = self._opened()
        text = json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if self._file.tell() and self._file.tell() + len(text) > self._settings.max_bytes:
            self._rotate()
        self._file.write(text)
        self._file.flush()

    def _opened(self) -> Any:
        return os.fdopen(_descriptor(self._path), "ab")

    def _rotate(self) -> None:
        self._file.close()
        names = [self._path, *(self._numbered(n) for n in range(1, self._settings.files + 1))]
        for newer, older in reversed(list(pairwise(names))):
            if newer.exists():
                newer.replace(older)
        if not self._settings.files:
            self._path.unlink()
        self._file = self._opened()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}.{number}{self._path.suffix}")

    def _shown(self, pictures: tuple[Image, ...]) -> dict[str, Any]:
        """Keep pictures by their content, and name them as a record does."""
        if not pictures:
            return {}
        names = [self._kept_as(picture) for picture in pictures]
        if None in names:
            with self._changed:
                self._counts["pictures_left_out"] += 1
            return {}
        paths = [f"{self._pictures.name}/{name}" for name in names]
        return {"image": paths[0]} if len(paths) == 1 else {"images": paths}

    def _kept_as(self, picture: Image) -> str | None:
        digest = hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()
        name = f"{digest[:40]}.png"
        if name in self._kept:
            return name
        if self._kept_bytes >= self._settings.max_picture_bytes:
            return None
        partial = self._pictures / f".{name}.{time.monotonic_ns()}"
        try:
            picture.save(partial, "PNG")
            partial.replace(self._pictures / name)
        except BaseException:  # a full disk must not be filled with halves
            partial.unlink(missing_ok=True)
            raise
        self._kept.add(name)
        self._kept_bytes += (self._pictures / name).stat().st_size
        return name


def check_log(path: Path, *, pictures: bool = False) -> None:
    """Refuse a log that can't be written, before anything else is opened.

    Parameters
    ----------
    path
        Of the log. Folders that it needs are made; a file that wasn't there isn't left behind.
    pictures
        Whether pictures are to be kept beside it.

    Raises
    ------
    OutputError
        When :class:`AnswerLog` could not write it.
    """
    with _refusing(path):
        _prepare(path, pictures=pictures)
        new = not path.exists()
        os.close(_descriptor(path))
        if new:
            path.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}-pictures")


def _prepare(path: Path, *, pictures: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if pictures:
        _beside(path).mkdir(mode=0o700, exist_ok=True)


def _descriptor(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _OWNER_ONLY)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The log cannot be written: {error.strerror or error}",
            where=str(path),
            mend="Give another --log.",
        ) from error
