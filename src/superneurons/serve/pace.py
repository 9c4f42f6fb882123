"""How fast batches go, measured while they do."""

from __future__ import annotations

import math
from threading import Lock

__all__ = ["Pace"]

_MEMORY = 0.95


class Pace:
    """Seconds that batches take by their size: a line through the latest ones, weighted by age.

    A batch of 16 seldom takes 16 times as long as one of 1, so that a mean per question would see a
    short queue as a long one.

    Examples
    --------
    >>> pace = Pace()
    >>> for size in (1, 4, 8, 4):
    ...     pace.saw(size, 0.010 + 0.002 * size)
    >>> round(pace.seconds(20, most=10), 3)
    0.06
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._n = self._size = self._time = self._squares = self._products = 0.0

    def saw(self, size: int, seconds: float) -> None:
        """Note a batch of ``size`` questions that took ``seconds``."""
        with self._lock:
            self._n = self._n * _MEMORY + 1
            self._size = self._size * _MEMORY + size
            self._time = self._time * _MEMORY + seconds
            self._squares = self._squares * _MEMORY + size * size
            self._products = self._products * _MEMORY + size * seconds

    def line(self) -> tuple[float, float]:
        """Return the seconds of a batch as such, and of each question in it; 0 when unknown."""
        with self._lock:
            n, size, time = self._n, self._size, self._time
            squares, products = self._squares, self._products
        if not n:
            return 0.0, 0.0
        spread = n * squares - size * size
        each = (n * products - size * time) / spread if spread > 1e-6 * n * squares else 0.0
        # Neither is below 0, whatever noise says; batches of one size alone say nothing of either.
        if spread <= 1e-6 * n * squares or each < 0:
            return (time / n, 0.0) if each < 0 else (0.0, time / size)
        start = (time - each * size) / n
        return (start, each) if start >= 0 else (0.0, products / squares)

    def seconds(self, questions: int, *, most: int) -> float:
        """Estimate how long so many questions take, in batches of ``most``; 0 before any ran."""
        start, each = self.line()
        return start * math.ceil(questions / most) + each * questions
