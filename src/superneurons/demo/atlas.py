"""The sprite atlas: cut-out pictures of nameable things that scenes are made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from superneurons.errors import DataError

__all__ = ["SPRITE_SIZE", "UNLABELLED", "Atlas", "load_atlas", "read_atlas", "write_atlas"]

SPRITE_SIZE = 64
UNLABELLED = -1
_FORMAT = 1
_COLUMNS = 96
_SHIPPED = Path(__file__).parent / "data" / "atlas.json"


@dataclass(frozen=True)
class Atlas:
    """Sprites, what they show, and which of them no training may see.

    Parameters
    ----------
    pixels
        ``(S, 64, 64, 4)`` uint8 RGBA with straight alpha; the longer side of each drawing fills
        the square.
    labels
        ``(S,)`` int64 index into ``classes``; -1 where the sprite has no name.
    classes, groups
        Names in lower case: "dog", "apple"; "animal", "food".
    group_of
        ``(C,)`` int64, the group of each class.
    seen
        ``(S,)`` bool; ``False`` for a sprite held out from all training.
    sources
        Where each sprite came from, for attribution: ``fluent-emoji-3d/1f436``.
    """

    pixels: torch.Tensor
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    group_of: NDArray[np.int64]
    seen: NDArray[np.bool_]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def pool(self, *, seen: bool) -> NDArray[np.int64]:
        """Return the indices of the labelled sprites that are (or are not) used in training."""
        return np.flatnonzero((self.seen == seen) & (self.labels != UNLABELLED))


@cache
def load_atlas() -> Atlas:
    """Return the atlas that comes with the package.

    Examples
    --------
    >>> atlas = load_atlas()
    >>> tuple(atlas.pixels.shape[1:])
    (64, 64, 4)
    """
    return read_atlas(_SHIPPED)


def read_atlas(path: Path) -> Atlas:
    """Read an atlas: a JSON file, beside it a WebP sheet of the same name.

    Raises
    ------
    DataError
        When either file is missing, or the two do not belong together.
    """
    mend = "Write it anew with recipes/demo_vlm/build_atlas.py, or reinstall the package."
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        with Image.open(path.with_suffix(".webp")) as sheet:
            grid = np.asarray(sheet.convert("RGBA"))
    except (OSError, ValueError) as error:
        raise DataError(f"The atlas cannot be read: {error}", where=str(path), mend=mend) from error
    sprites = _cut(grid)
    if meta.get("format") != _FORMAT or len(meta["labels"]) > len(sprites):
        raise DataError(
            f"The atlas names {len(meta['labels'])} sprites, its sheet holds {len(sprites)}.",
            where=str(path),
            mend=mend,
        )
    labels = np.asarray(meta["labels"], dtype=np.int64)
    seen = np.ones(len(labels), dtype=np.bool_)
    seen[np.asarray(meta["held_out"], dtype=np.int64)] = False
    return Atlas(
        pixels=torch.from_numpy(sprites[: len(labels)]),
        labels=labels,
        classes=tuple(meta["classes"]),
        groups=tuple(meta["groups"]),
        group_of=np.asarray(meta["group_of"], dtype=np.int64),
        seen=seen,
        sources=tuple(meta["sources"]),
    )


def write_atlas(atlas: Atlas, path: Path, *, quality: int = 82) -> None:
    """Write an atlas as ``path`` (JSON) and a lossy WebP sheet beside it."""
    meta = {
        "format": _FORMAT,
        "classes": list(atlas.classes),
        "groups": list(atlas.groups),
        "group_of": atlas.group_of.tolist(),
        "labels": atlas.labels.tolist(),
        "held_out": np.flatnonzero(~atlas.seen).tolist(),
        "sources": list(atlas.sources),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.fromarray(_lay_out(atlas.pixels.numpy()))
    sheet.save(path.with_suffix(".webp"), quality=quality, alpha_quality=90, method=4)
    path.write_text(_compact(meta), encoding="utf-8")


def _compact(meta: dict[str, Sequence[object] | int]) -> str:
    """One line per field: readable in a diff, small on disk."""
    rows = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in meta.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _lay_out(sprites: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Arrange ``(S, 64, 64, 4)`` as one sheet, row by row."""
    rows = -(-len(sprites) // _COLUMNS)
    padded = np.zeros((rows * _COLUMNS, *sprites.shape[1:]), dtype=np.uint8)
    padded[: len(sprites)] = sprites
    cells = padded.reshape(rows, _COLUMNS, SPRITE_SIZE, SPRITE_SIZE, 4).swapaxes(1, 2)
    return cells.reshape(rows * SPRITE_SIZE, _COLUMNS * SPRITE_SIZE, 4)


def _cut(sheet: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo :func:`_lay_out`."""
    rows, columns = sheet.shape[0] // SPRITE_SIZE, sheet.shape[1] // SPRITE_SIZE
    cells = sheet.reshape(rows, SPRITE_SIZE, columns, SPRITE_SIZE, 4).swapaxes(1, 2)
    return np.ascontiguousarray(cells.reshape(rows * columns, SPRITE_SIZE, SPRITE_SIZE, 4))
