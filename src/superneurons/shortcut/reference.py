"""What answers and pictures were like when a classifier was measured, in bins that never change."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EDGES", "bin_of", "counted", "measured", "psi", "psi_by_chance"]

EDGES: dict[str, tuple[float, ...]] = {
    "confidence": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "side": (64, 128, 256, 512, 1024, 2048, 4096),
    "aspect": (0.4, 0.6, 0.7, 0.9, 1.12, 1.4, 1.7, 2.5),
}
"""Where one bin ends and the next begins, which has the edge; B − 1 edges for B bins."""

# Points that the brightness is the mean of, per side: as cheap for a large picture as for a small.
_SAMPLES = 32


def measured(picture: Image) -> dict[str, float]:
    """Measure a picture, in microseconds whatever its size.

    Parameters
    ----------
    picture
        Decoded.

    Returns
    -------
    dict
        ``brightness``: mean luma (ITU-R 601) of 32 × 32 evenly spread points, 0 to 1; ``side``:
        square root of its pixels; ``aspect``: width by height.

    Examples
    --------
    >>> from PIL import Image
    >>> measured(Image.new("RGB", (64, 16), "white"))
    {'brightness': 1.0, 'side': 32.0, 'aspect': 4.0}
    """
    width, height = picture.size
    points = picture.resize((_SAMPLES, _SAMPLES), resample=0).convert("L").tobytes()
    return {
        "brightness": sum(points) / len(points) / 255,
        "side": math.sqrt(width * height),
        "aspect": width / height,
    }


def bin_of(name: str, value: float) -> int:
    """Return the bin that a value is in, from 0.

    Examples
    --------
    >>> bin_of("confidence", 0.5), bin_of("confidence", 0.49)
    (1, 0)
    """
    return bisect_right(EDGES[name], value)


def counted(name: str, values: Iterable[float]) -> list[int]:
    """Count the values in each bin."""
    counts = [0] * (len(EDGES[name]) + 1)
    for value in values:
        counts[bin_of(name, value)] += 1
    return counts


def psi(reference: Sequence[float], now: Sequence[float]) -> float:
    """Return the population stability index of two histograms over the same B bins.

    ``Σ_b (q_b − p_b) ln(q_b / p_b)``, where p and q are the shares of ``reference`` and ``now``
    with half a count added to each bin, so that an empty one is no infinity. It is symmetric, and
    0 for equal shares. A rule of thumb takes more than 0.25 for a shift; see
    :func:`psi_by_chance` for what few samples give without any.

    Examples
    --------
    >>> psi([10, 10], [20, 20]), round(psi([90, 10], [10, 90]), 2)
    (0.0, 3.41)
    """
    p, q = _shares(reference), _shares(now)
    return sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) + len(counts) / 2
    return [(count + 0.5) / total for count in counts]


def psi_by_chance(n_bins: int, n_reference: float, n_now: float) -> float:
    """Return the index to expect where nothing changed: ``(B − 1)(1/R + 1/N)``.

    Notes
    -----
    N·R/(N + R) times the index is about χ² with B − 1 degrees of freedom (Yurdakul 2018).

    Examples
    --------
    >>> psi_by_chance(11, 100, 100)
    0.2
    """
    return (n_bins - 1) * (1 / max(n_reference, 1.0) + 1 / max(n_now, 1.0))
