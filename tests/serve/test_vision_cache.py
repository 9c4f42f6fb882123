from __future__ import annotations

import pytest
import torch
from PIL import Image

from pictures import bright_records
from superneurons.serve.vision_cache import Bounded, Parts, Remembering, picture_key
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.model import VLM, Inputs


class Watched:
    """A tower that says how many pictures it looked at."""

    def __init__(self, vlm: VLM) -> None:
        lean = lean_of(vlm)
        assert lean is not None
        self._tower, self.looks = lean.tower, []
        self.tokens = self._tower.tokens
        self.grids = self._tower.grids

    def see(self, tensors, grids, **options):  # type: ignore[no-untyped-def]
        self.looks.append(len(grids))
        return self._tower.see(tensors, grids, **options)


def remembering(
    vlm: VLM, inputs: Inputs, cache: Bounded[Parts], keys: list[bytes]
) -> tuple[Watched, Remembering]:
    tower = Watched(vlm)
    packed = vlm.family.picture_patches is not None
    return tower, Remembering(tower, cache, keys, packed=packed)


@torch.inference_mode()
def test_known_pictures_give_exactly_what_they_gave(vlm: VLM) -> None:
    records = bright_records(4)
    inputs, keys = vlm.encode(records), [b"a", b"b", b"c", b"d"]
    cache: Bounded[Parts] = Bounded(10**7)
    tower, first = remembering(vlm, inputs, cache, keys)
    grids = tower.grids(inputs.tensors)
    plain = tower.see(inputs.tensors, grids, deep=None)
    new, again = (first.see(inputs.tensors, grids) for _ in range(2))
    assert tower.looks == [4, 4]
    for found in (new, again):
        assert torch.equal(found.tokens, plain.tokens)
        assert len(found.deep) == len(plain.deep)
        assert all(map(torch.equal, found.deep, plain.deep))
    assert len(cache) == 4
    assert (cache.hits, cache.misses) == (4, 4)


@torch.inference_mode()
def test_only_new_pictures_are_looked_at_and_each_once(vlm: VLM) -> None:
    records = bright_records(4)
    cache: Bounded[Parts] = Bounded(10**7)
    inputs = vlm.encode(records[:1])
    tower, one = remembering(vlm, inputs, cache, [b"a"])
    one.see(inputs.tensors, tower.grids(inputs.tensors))
    order = [1, 0, 2, 1, 0]
    inputs = vlm.encode([records[i] for i in order])
    tower, several = remembering(vlm, inputs, cache, [b"abcd"[i : i + 1] for i in order])
    grids = tower.grids(inputs.tensors)
    found = several.see(inputs.tensors, grids)
    assert tower.looks == [2]
    plain = tower.see(inputs.tensors, grids)
    assert torch.allclose(found.tokens, plain.tokens, atol=1e-5)
    assert not torch.allclose(found.tokens, plain.tokens.flip(0), atol=1e-1)


@torch.inference_mode()
def test_what_goes_beyond_the_projector_is_computed_anew(llava: VLM) -> None:
    inputs = llava.encode(bright_records(2))
    cache: Bounded[Parts] = Bounded(10**7)
    tower, kept = remembering(llava, inputs, cache, [b"a", b"b"])
    grids = tower.grids(inputs.tensors)
    assert set(kept.see(inputs.tensors, grids, layers=[1]).layers) == {1}
    assert kept.see(inputs.tensors, grids, layers=[1], project=False).tokens is None
    assert len(cache) == 0


def test_pictures_with_the_same_bytes_but_another_shape_are_others() -> None:
    pixels = bytes(range(24))
    wide, tall = (Image.frombytes("RGB", size, pixels) for size in ((4, 2), (2, 4)))
    grey = Image.frombytes("L", (6, 4), pixels)
    assert len({picture_key(picture) for picture in (wide, tall, grey)}) == 3
    assert picture_key(wide) == picture_key(wide.copy())
    changed = wide.copy()
    changed.putpixel((3, 1), (0, 0, 0))
    assert picture_key(changed) != picture_key(wide)


def test_it_never_holds_more_than_it_may_and_drops_the_oldest() -> None:
    cache: Bounded[str] = Bounded(10)
    for name in "abc":
        cache.put(name, name * 2, 4)
    assert cache.used == 8
    assert cache.get("a") is None
    assert cache.get("b") == "bb"
    cache.put("d", "dd", 4)
    assert cache.get("c") is None, "b was used since"
    assert cache.get("b") == "bb"
    cache.put("huge", "", 11)
    assert cache.get("huge") is None
    assert (len(cache), cache.used) == (2, 8)
    cache.put("b", "new", 2)
    assert cache.get("b") == "new"
    assert cache.used == 6


@pytest.mark.parametrize("most", [0, 3])
def test_a_cache_without_room_keeps_nothing(most: int) -> None:
    cache: Bounded[str] = Bounded(most)
    cache.put("a", "x", 4)
    assert len(cache) == 0
    assert cache.on == (most > 0)
