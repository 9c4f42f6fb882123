"""What pictures gave, remembered: a picture that comes again isn't looked at again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

from superneurons.vlm.lean.tower import Grid, Seen, Tower

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Bounded", "Parts", "Remembering", "picture_key"]

V = TypeVar("V")

Parts = tuple[torch.Tensor, ...]
"""Of one picture: its image tokens, and what is added to them after the first layers."""


def picture_key(picture: Image) -> bytes:
    """Return a SHA-256 of a picture's mode, size and pixels.

    Examples
    --------
    >>> from PIL import Image
    >>> wide, tall = Image.new("RGB", (2, 1)), Image.new("RGB", (1, 2))
    >>> picture_key(wide) == picture_key(tall), picture_key(wide) == picture_key(wide.copy())
    (False, True)
    """
    digest = hashlib.sha256(f"{picture.mode} {picture.size}".encode())
    digest.update(picture.tobytes())
    return digest.digest()


class Bounded(Generic[V]):
    """What was used last, within a number of bytes.

    Parameters
    ----------
    most
        Bytes; 0: nothing is kept.
    """

    def __init__(self, most: int) -> None:
        self._most, self._used = most, 0
        self._kept: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._lock = Lock()
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def used(self) -> int:
        """Bytes that are used."""
        return self._used

    @property
    def on(self) -> bool:
        """Whether anything is kept at all."""
        return self._most > 0

    def get(self, key: Hashable) -> V | None:
        """Return what is kept, if it is."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                self.misses += 1
                return None
            self.hits += 1
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: V, size: int) -> None:
        """Keep a value of ``size`` bytes, and let go of those that were used longest ago."""
        if size > self._most:
            return
        with self._lock:
            if key in self._kept:
                self._used -= self._kept.pop(key)[1]
            self._kept[key] = value, size
            self._used += size
            while self._used > self._most:
                _, (_, freed) = self._kept.popitem(last=False)
                self._used -= freed


class Remembering:
    """A vision tower for one batch, whose pictures are looked at once, whenever they came.

    Parameters
    ----------
    tower
        The model's.
    cache
        Of all batches.
    keys
        What each picture of the batch is, in order.
    packed
        Whether the processor puts patches of all pictures one after the other.
    """

    def __init__(
        self, tower: Tower, cache: Bounded[Parts], keys: Sequence[Hashable], *, packed: bool
    ) -> None:
        self._tower, self._cache, self._keys, self._packed = tower, cache, keys, packed

    def grids(self, tensors: Mapping[str, torch.Tensor]) -> tuple[Grid, ...]:
        """Patches of each picture."""
        return self._tower.grids(tensors)

    def tokens(self, grid: Grid) -> Grid:
        """Image tokens that a picture of so many patches becomes."""
        return self._tower.tokens(grid)

    def see(
        self,
        tensors: Mapping[str, torch.Tensor],
        grids: tuple[Grid, ...],
        *,
        layers: Sequence[int] = (),
        project: bool = True,
        deep: int | None = None,
    ) -> Seen:
        """Look at the pictures that aren't known; see :class:`~superneurons.vlm.lean.tower.Tower`.

        Only what the projector makes is remembered: with ``layers``, everything is computed.
        """
        if layers or not project or len(grids) != len(self._keys):
            return self._tower.see(tensors, grids, layers=layers, project=project, deep=deep)
        first = {key: place for place, key in reversed(list(enumerate(self._keys)))}
        parts = {key: self._cache.get((key, deep)) for key in dict.fromkeys(self._keys)}
        unseen = sorted(first[key] for key, known in parts.items() if known is None)
        if unseen:
            some = tuple(grids[place] for place in unseen)
            seen = self._tower.see(self._of(tensors, grids, unseen), some, deep=deep)
            for place, found in zip(unseen, self._split(seen, some), strict=True):
                key = self._keys[place]
                parts[key] = found
                size = sum(part.numel() * part.element_size() for part in found)
                self._cache.put((key, deep), found, size)
        rows = [known for known in map(parts.get, self._keys) if known is not None]
        tokens, *added = (torch.cat(column) for column in zip(*rows, strict=True))
        return Seen({}, tokens, added)

    def _of(
        self, tensors: Mapping[str, torch.Tensor], grids: Sequence[Grid], places: Sequence[int]
    ) -> dict[str, torch.Tensor]:
        """The pixels of some of the pictures."""
        pixels = tensors["pixel_values"]
        if self._packed:
            each = torch.split(pixels, [height * width for height, width in grids])
            return {"pixel_values": torch.cat([each[place] for place in places])}
        return {"pixel_values": pixels[list(places)]}

    def _split(self, seen: Seen, grids: Sequence[Grid]) -> list[Parts]:
        """What each picture gave, apart from the others in memory."""
        assert seen.tokens is not None
        sizes = [rows * columns for rows, columns in map(self._tower.tokens, grids)]
        ends = list(accumulate(sizes))
        return [
            tuple(part[end - size : end].clone() for part in (seen.tokens, *seen.deep))
            for size, end in zip(sizes, ends, strict=True)
        ]
