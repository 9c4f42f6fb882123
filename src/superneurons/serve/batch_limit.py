"""How large a batch may be, now."""

from __future__ import annotations

import time
from threading import Lock

__all__ = ["BatchLimit"]


class BatchLimit:
    """The largest batch: smaller for a while after one didn't fit into memory.

    Parameters
    ----------
    most
        Questions in a batch as a rule.
    cautious_for
        Seconds for which a smaller limit holds.

    Examples
    --------
    >>> limit = BatchLimit(16, cautious_for=60)
    >>> limit.too_many(12)
    >>> limit.most
    6
    """

    def __init__(self, most: int, *, cautious_for: float) -> None:
        self._usual, self._cautious_for = most, cautious_for
        self._lowered, self._until = most, 0.0
        self._lock = Lock()

    @property
    def most(self) -> int:
        """Questions that a batch may have."""
        with self._lock:
            return self._lowered if time.monotonic() < self._until else self._usual

    def too_many(self, size: int) -> None:
        """Note that so many didn't fit: half of them are tried from now on."""
        with self._lock:
            now = time.monotonic()
            known = self._lowered if now < self._until else self._usual
            self._lowered = max(1, min(known, size // 2))
            self._until = now + self._cautious_for
