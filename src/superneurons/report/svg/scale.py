"""From values to places: scales and their ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Scale", "logarithmic", "rounded_out"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_FINE, _COARSE = (1.0, 2.0, 5.0), (1.0,)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values onto a stretch of a drawing.

    Parameters
    ----------
    low, high
        First and last value.
    start, end
        Their places.
    log
        Whether equal ratios are equally far apart; ``low`` is then above 0.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value; one beyond an end is put at that end."""
        within = min(max(value, self.low), self.high)
        if self.high == self.low:
            return (self.start + self.end) / 2
        if self.log:
            share = math.log(within / self.low) / math.log(self.high / self.low)
        else:
            share = (within - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> tuple[float, ...]:
        """Return round values within the scale, about as many as there is room for.

        Examples
        --------
        >>> Scale(0.5, 1.0, 0, 100).ticks(6)
        (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
        >>> Scale(19, 280, 0, 100, log=True).ticks()
        (20.0, 50.0, 100.0, 200.0)
        """
        if self.log:
            fine = self._decades(_FINE)
            if len(fine) < 3:
                return Scale(self.low, self.high, 0, 1).ticks(most)
            return fine if len(fine) <= most else self._decades(_COARSE) or fine[:most]
        step = _step(self.high - self.low, most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return tuple(round(number * step, 12) for number in range(first, last + 1))

    def _decades(self, steps: Iterable[float]) -> tuple[float, ...]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = (round(step * 10.0**power, 12) for power in powers for step in steps)
        return tuple(value for value in values if self.low <= value <= self.high)


def _step(span: float, most: int) -> float:
    """Return the least round step that makes no more ticks than that."""
    if span <= 0:
        return 1.0
    rough = span / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next((s * power for s in _STEPS if s * power >= rough * 0.999), 10 * power)


def rounded_out(
    values: Iterable[float], *, step: float = 0.05, low: float = 0.0, high: float = 1.0
) -> tuple[float, float]:
    """Return the ends of a scale of shares that holds all values, at round numbers.

    Examples
    --------
    >>> rounded_out([0.512, 0.96])
    (0.5, 1.0)
    """
    given = [*values]
    first = math.floor(min(given) / step + 1e-9) * step
    last = math.ceil(max(given) / step - 1e-9) * step
    if last - first < step:
        first, last = first - step, last + step
    return round(max(low, first), 12), round(min(high, last), 12)


def logarithmic(values: Iterable[float], start: float, end: float) -> Scale:
    """Return a scale for ratios of positive values, with some room beyond them."""
    given = [value for value in values if value > 0]
    return Scale(min(given) / 1.25, max(given) * 1.25, start, end, log=True)
