from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from superneurons.demo.atlas import UNLABELLED, Atlas, load_atlas, read_atlas, write_atlas
from superneurons.errors import DataError


def small_atlas(count: int = 100) -> Atlas:
    """Discs of even colours, the last one nameless and the one before held out."""
    y, x = np.mgrid[:64, :64]
    disc = ((y - 32) ** 2 + (x - 32) ** 2 < 900).astype(np.uint8) * 255
    pixels = np.zeros((count, 64, 64, 4), dtype=np.uint8)
    pixels[..., 3] = disc
    pixels[..., :3] = np.random.default_rng(0).integers(0, 255, (count, 1, 1, 3))
    labels = np.arange(count) % 10
    labels[-1] = UNLABELLED
    seen = np.ones(count, dtype=bool)
    seen[-2] = False
    return Atlas(
        pixels=torch.from_numpy(pixels),
        labels=labels,
        classes=tuple(f"thing{i}" for i in range(10)),
        groups=("odd", "even"),
        group_of=np.arange(10) % 2,
        seen=seen,
        sources=tuple(f"set/{i}" for i in range(count)),
    )


def test_an_atlas_survives_the_disk(tmp_path: Path) -> None:
    atlas = small_atlas()
    write_atlas(atlas, tmp_path / "a.json", quality=95)
    back = read_atlas(tmp_path / "a.json")
    assert back.classes == atlas.classes
    assert back.groups == atlas.groups
    assert back.sources == atlas.sources
    np.testing.assert_array_equal(back.labels, atlas.labels)
    np.testing.assert_array_equal(back.seen, atlas.seen)
    np.testing.assert_array_equal(back.group_of, atlas.group_of)
    assert back.pixels.shape == (100, 64, 64, 4)
    inside = (slice(None), slice(20, 44), slice(20, 44))
    error = (back.pixels[inside].int() - atlas.pixels[inside].int()).abs().float().mean()
    assert error < 4  # lossy, and no sprite out of place


def test_pools_part_seen_from_held_out_and_leave_the_nameless_out() -> None:
    atlas = small_atlas()
    assert atlas.pool(seen=True).tolist() == list(range(98))
    assert atlas.pool(seen=False).tolist() == [98]


@pytest.mark.parametrize("damage", ["no sheet", "no meta", "not json", "too few sprites"])
def test_a_damaged_atlas_says_where_and_how_to_mend_it(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.json"
    write_atlas(small_atlas(), path)
    meta = json.loads(path.read_text())
    if damage == "no sheet":
        path.with_suffix(".webp").unlink()
    elif damage == "no meta":
        path.unlink()
    elif damage == "not json":
        path.write_text("{")
    else:
        path.write_text(json.dumps(meta | {"labels": [0] * 1000}))
    with pytest.raises(DataError, match=r"a\.json") as caught:
        read_atlas(path)
    assert "build_atlas.py" in str(caught.value)


def test_the_shipped_atlas_is_sound() -> None:
    atlas = load_atlas()
    size = sum(
        p.stat().st_size for p in Path(read_atlas.__code__.co_filename).parent.glob("data/atlas.*")
    )
    assert size < 6_000_000
    assert 100 <= len(atlas.classes) <= 200
    assert (atlas.labels >= 0).all()
    assert len(set(atlas.sources)) == len(atlas)
    seen = np.bincount(atlas.labels[atlas.seen], minlength=len(atlas.classes))
    assert seen.min() >= 2
    held_out = np.bincount(atlas.labels[~atlas.seen], minlength=len(atlas.classes))
    assert (seen[held_out > 0] >= 3).all()
    assert 0.1 < (~atlas.seen).mean() < 0.3


def test_no_shipped_sprite_is_from_an_excluded_set() -> None:
    allowed = {"fluent-emoji-3d", "fluentui-emoji", "openclipart"}
    assert {source.split("/")[0] for source in load_atlas().sources} <= allowed


def test_no_held_out_sprite_has_a_look_alike_among_the_seen() -> None:
    atlas = load_atlas()
    pixels = atlas.pixels.float() / 255
    colour = torch.nn.functional.avg_pool2d(
        torch.cat(
            [(pixels[..., :3] - 0.5) * pixels[..., 3:], pixels[..., 3:] - 0.5], dim=3
        ).permute(0, 3, 1, 2),
        8,
    ).flatten(1)
    unit = colour / colour.norm(dim=1, keepdim=True)
    seen = torch.from_numpy(atlas.seen)
    assert (unit[~seen] @ unit[seen].T).max() < 0.995
