"""A map of scores as a picture: one pixel per neuron, or the best of some neighbours."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Cells", "base64_of", "best_of_neighbours", "picture", "ramp"]

# Viridis: even steps of lightness, told apart with any kind of colour vision, and in print.
_STOPS = (
    "440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725",
)  # fmt: skip
_LEVELS = 255


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Scores as they fit a drawing.

    Parameters
    ----------
    scores
        The best of each cell's neurons, shape (L, C) float32.
    columns
        Which column has it, shape (L, C) int64.
    each
        Neighbouring neurons in a cell; the last one of a row may have fewer.
    """

    scores: NDArray[np.float32]
    columns: NDArray[np.int64]
    each: int


def best_of_neighbours(scores: NDArray[np.float32], most: int) -> Cells:
    """Keep the best of so many neighbours that no more cells than that are in a row.

    Dropping neurons instead would hide just those that were looked for.

    Parameters
    ----------
    scores
        Shape (L, W).
    most
        At least 1.

    Examples
    --------
    >>> cells = best_of_neighbours(np.array([[0.5, 0.9, 0.6]], dtype=np.float32), 2)
    >>> cells.each, cells.columns.tolist()
    (2, [[1, 2]])
    """
    layers, width = scores.shape
    each = -(-width // most)
    n = -(-width // each)
    padded = np.full((layers, n * each), -np.inf, dtype=np.float32)
    padded[:, :width] = scores
    blocks = padded.reshape(layers, n, each)
    columns = blocks.argmax(axis=2) + np.arange(n) * each
    return Cells(blocks.max(axis=2), columns, each)


def picture(values: NDArray[Any], low: float, high: float) -> str:
    """Return values as colours, in a PNG of a pixel for each, as a ``data:`` URI.

    Parameters
    ----------
    values
        Shape (rows, columns).
    low, high
        What is darkest and lightest.
    """
    span = max(high - low, 1e-9)
    levels = np.clip((values - low) / span * _LEVELS, 0, _LEVELS).round().astype(np.uint8)
    image = Image.fromarray(levels).convert("P")
    image.putpalette(_palette())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def ramp() -> str:
    """Return all colours from the lowest value to the highest, as a ``data:`` URI."""
    return picture(np.arange(_LEVELS + 1)[None], 0, _LEVELS)


def base64_of(values: NDArray[Any]) -> str:
    """Return whole numbers below 65,536 as little-endian pairs of bytes in base 64."""
    return base64.b64encode(values.astype("<u2").tobytes()).decode()


def _palette() -> list[int]:
    stops = np.array([[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in _STOPS])
    at, known = np.linspace(0, 1, _LEVELS + 1), np.linspace(0, 1, len(_STOPS))
    colours = np.stack([np.interp(at, known, stops[:, channel]) for channel in range(3)], axis=1)
    return [int(value) for value in colours.round().ravel()]
