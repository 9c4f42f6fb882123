"""What the engine counts."""

from __future__ import annotations

from collections import Counter
from threading import Lock

__all__ = ["Counters"]

_NAMES = (
    "answered", "refused", "expired", "cancelled", "failed", "batches", "questions",
    "split_batches", "out_of_memory", "worker_deaths", "remembered_answers",
    "answered_exit", "answered_deeper", "answered_base", "answered_remote", "remote_failed",
)  # fmt: skip


class Counters:
    """Sums since the start, by name; all known ones are there from the beginning.

    Examples
    --------
    >>> counters = Counters()
    >>> counters.add("batches")
    >>> counters.state()["batches"], counters.state()["failed"]
    (1.0, 0.0)
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._sums: Counter[str] = Counter(dict.fromkeys(_NAMES, 0))

    def add(self, name: str, amount: float = 1) -> None:
        """Add to a sum."""
        with self._lock:
            self._sums[name] += amount  # type: ignore[assignment]  # seconds are counted too

    def state(self) -> dict[str, float]:
        """Return all sums."""
        with self._lock:
            return {name: float(value) for name, value in self._sums.items()}
