"""Turn the fetched drawings into two atlases: one to train on, one to ship.

``data/atlas_train.json``/``.webp``: every sprite that training may see, named or not.
``src/superneurons/demo/data/atlas.json``/``.webp``: the named sprites, those held out included.

    pip install resvg-py && python recipes/demo_vlm/build_atlas.py
"""

from __future__ import annotations

import importlib
import io
import json
import re
import subprocess
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from classes import DROPPED, FOLDERS, THINGS, Thing, things
from fetch import DATA, fetch
from numpy.typing import NDArray
from PIL import Image

from superneurons.demo.atlas import SPRITE_SIZE, UNLABELLED, Atlas, write_atlas

SHIPPED = Path(__file__).parents[2] / "src" / "superneurons" / "demo" / "data" / "atlas.json"
SEED = 7
CACHE = DATA / "drawings.npz"
HELD_OUT_SHARE = 0.15
LEAST_LEFT, LEAST_DESIGNS_LEFT = 3, 3
MOST_OF_A_CLASS = 24
SKIPPED_FOLDERS = (
    *("shapes", "special", "signs_and_symbols/flags", "recreation/games/cards"),
    *("transportation/roadsigns", "transportation/aiga-symbols", "buttons", "logos"),
)
SKIPPED_EMOJI_GROUPS = ("flags", "symbols")
LARGEST = 12_000_000
TWIN, NEAR_TWIN = 0.995, 0.985

Rgba = NDArray[np.uint8]


@dataclass
class Sprite:
    """One drawing: where it came from, which design it is, what it shows."""

    source: str
    design: str
    pixels: Rgba
    label: int = UNLABELLED
    seen: bool = True


def fit(picture: Image.Image) -> Rgba | None:
    """Crop to what is drawn and fit it to the sprite square; ``None`` if there is too little."""
    if picture.width * picture.height > LARGEST:
        return None
    picture = picture.convert("RGBA")
    picture = picture.reduce(max(1, max(picture.size) // 512))
    alpha = np.asarray(picture)[..., 3]
    if alpha[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 200:
        return None  # on an opaque ground: a sheet, a photograph or a sign, not a cut-out
    box = picture.getchannel("A").point(lambda value: 255 * (value > 16)).getbbox()
    if box is None:
        return None
    picture = picture.crop(box)
    scale = SPRITE_SIZE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    small = (
        picture.convert("RGBa")
        .resize((width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
        .convert("RGBA")
    )
    square = Image.new("RGBA", (SPRITE_SIZE, SPRITE_SIZE))
    square.paste(small, ((SPRITE_SIZE - width) // 2, (SPRITE_SIZE - height) // 2))
    pixels = np.asarray(square).copy()
    return pixels if pixels[..., 3].mean() > 0.06 * 255 else None


def emoji_slugs(package: Path) -> dict[str, tuple[str, str]]:
    """Slug → code point and group, without skin tones."""
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/data-by-group.json")
        assert member is not None
        groups = json.load(member)
    return {
        emoji["slug"]: ("-".join(f"{ord(c):x}" for c in emoji["emoji"]), group["slug"])
        for group in groups
        for emoji in group["emojis"]
    }


def emoji_sprites(paths: dict[str, Path]) -> Iterator[Sprite]:
    """Every emoji in its 3-D, its flat and its coloured style."""
    slugs = emoji_slugs(paths["unicode-emoji-json"])
    wanted = {
        slug: code for slug, (code, group) in slugs.items() if group not in SKIPPED_EMOJI_GROUPS
    }
    by_code = {code: slug for slug, code in wanted.items()}
    by_code |= {code.replace("-fe0f", ""): slug for code, slug in by_code.items()}
    with tarfile.open(paths["fluent-emoji-3d"]) as archive:
        for member in archive:
            code = Path(member.name).stem
            slug = by_code.get(code) or by_code.get(code.replace("-fe0f", ""))
            if slug and (file := archive.extractfile(member)):
                pixels = fit(Image.open(io.BytesIO(file.read())))
                if pixels is not None:
                    yield Sprite(f"fluent-emoji-3d/{code}", f"emoji/{slug}", pixels)
    svg = importlib.import_module("resvg_py")  # needed here only, and by nobody else
    with tarfile.open(paths["fluentui-emoji"]) as archive:
        for member in archive:
            slug = Path(member.name).stem.replace("-", "_")
            style = Path(member.name).parent.name
            if slug in wanted and style in ("flat", "modern"):
                file = archive.extractfile(member)
                assert file is not None
                drawn = svg.svg_to_bytes(svg_string=file.read().decode(), width=256)
                pixels = fit(Image.open(io.BytesIO(bytes(drawn))))
                if pixels is not None:
                    yield Sprite(
                        f"fluentui-emoji/{style}/{Path(member.name).stem}", f"emoji/{slug}", pixels
                    )


def clipart_sprites(package: Path) -> Iterator[tuple[Sprite, Path]]:
    """Every cut-out of openclipart outside the folders of signs, flags, cards and icons."""
    root = DATA / "openclipart"
    if not root.exists():
        subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    top = root / "usr" / "share" / "openclipart" / "png"
    for path in sorted(top.rglob("*.png")):
        place = path.relative_to(top)
        if path.is_symlink() or _within(place, SKIPPED_FOLDERS):
            continue
        try:
            with Image.open(path) as picture:
                pixels = fit(picture)
        except OSError as error:
            print(f"skipped {place}: {error}")
            continue
        if pixels is not None:
            design = re.sub(
                r"[\d\W_]+|black|white|blue|green|red|yellow|orange|purple|grigia",
                "",
                path.stem.lower(),
            )
            yield (
                Sprite(
                    f"openclipart/{place.with_suffix('')}", f"clip/{design or path.stem}", pixels
                ),
                place,
            )


def words(stem: str) -> set[str]:
    """Return the whole words of a file name."""
    return set(re.split(r"[^a-z0-9]+", stem.lower()))


def _within(place: Path, folders: tuple[str, ...]) -> bool:
    return any(place.is_relative_to(folder) for folder in folders)


def name_clipart(place: Path, catalogue: list[Thing]) -> int:
    """Return the one class whose words and folders match; -1 for none or several."""
    hits = [
        number
        for number, thing in enumerate(catalogue)
        if thing.names(words(place.stem)) and _within(place, FOLDERS[thing.group])
    ]
    return hits[0] if len(hits) == 1 else UNLABELLED


def hold_out(sprites: list[Sprite], n_classes: int, rng: np.random.Generator) -> None:
    """Mark whole designs as unseen, from classes that keep enough drawings of other designs."""
    for label in range(n_classes):
        own = [s for s in sprites if s.label == label]
        designs = defaultdict(list)
        for sprite in own:
            designs[sprite.design].append(sprite)
        order = list(designs)
        rng.shuffle(order)
        left, held, designs_left = len(own), 0, len(order)
        for design in order:
            size = len(designs[design])
            if (
                left - size < LEAST_LEFT
                or designs_left <= LEAST_DESIGNS_LEFT
                or size > max(3, len(own) // 4)
            ):
                continue
            if held and held + size > HELD_OUT_SHARE * len(own) + 1:
                continue
            for sprite in designs[design]:
                sprite.seen = False
            left, held, designs_left = left - size, held + size, designs_left - 1


def fingerprints(sprites: list[Sprite]) -> NDArray[np.float32]:
    """Return unit vectors whose product tells how alike two sprites look."""
    pixels = np.stack([s.pixels for s in sprites]).astype(np.float32) / 255
    grey = pixels[..., 3:] * (pixels[..., :3] - 0.5)
    stack = np.concatenate([grey, pixels[..., 3:] - 0.5], axis=3)
    small = stack.reshape(len(sprites), 16, 4, 16, 4, 4).mean(axis=(2, 4)).reshape(len(sprites), -1)
    return np.asarray(small / np.linalg.norm(small, axis=1, keepdims=True))


def drop_twins(sprites: list[Sprite]) -> list[Sprite]:
    """Drop repeated pictures, and all in training that look like one held out."""
    order = sorted(sprites, key=lambda s: (s.seen, s.label == UNLABELLED))
    prints = fingerprints(order)
    held = sum(not s.seen for s in order)
    mirrored = prints.reshape(-1, 16, 16, 4)[:held, :, ::-1].reshape(held, -1)
    kept: list[int] = []
    for i, sprite in enumerate(order):
        twin = kept and (prints[kept] @ prints[i]).max() > TWIN
        leak = (
            sprite.seen
            and max((prints[:held] @ prints[i]).max(), (mirrored @ prints[i]).max()) > NEAR_TWIN
        )
        if not twin and not leak:
            kept.append(i)
    print(f"dropped {len(order) - len(kept)} look-alikes of {len(order)}")
    return [order[i] for i in kept]


def limit(sprites: list[Sprite], rng: np.random.Generator) -> list[Sprite]:
    """Keep at most so many named sprites of a class in training; the rest lose their name."""
    count: dict[int, int] = defaultdict(int)
    for index in rng.permutation(len(sprites)):
        sprite = sprites[index]
        if sprite.label != UNLABELLED and sprite.seen:
            count[sprite.label] += 1
            if count[sprite.label] > MOST_OF_A_CLASS:
                sprite.label = UNLABELLED
    return sprites


def pack(sprites: list[Sprite], catalogue: list[Thing]) -> Atlas:
    """Arrange sprites as an atlas, by class."""
    sprites = sorted(sprites, key=lambda s: (s.label == UNLABELLED, s.label, s.source))
    groups = tuple(THINGS)
    return Atlas(
        pixels=torch.from_numpy(np.stack([s.pixels for s in sprites])),
        labels=np.array([s.label for s in sprites], dtype=np.int64),
        classes=tuple(thing.name for thing in catalogue),
        groups=groups,
        group_of=np.array([groups.index(thing.group) for thing in catalogue], dtype=np.int64),
        seen=np.array([s.seen for s in sprites]),
        sources=tuple(s.source for s in sprites),
    )


def drawings() -> list[tuple[Sprite, str]]:
    """Read every drawing, with the file name of clip art; kept on disk, for it takes minutes."""
    if not CACHE.exists():
        paths = fetch()
        found = [(sprite, "") for sprite in emoji_sprites(paths)]
        for sprite, place in clipart_sprites(paths["openclipart-png"]):
            found.append((sprite, str(place)))
        np.savez(
            CACHE,
            source=[sprite.source for sprite, _ in found],
            design=[sprite.design for sprite, _ in found],
            place=[place for _, place in found],
            pixels=np.stack([sprite.pixels for sprite, _ in found]),
        )
    with np.load(CACHE) as kept:
        columns = zip(*(kept[name].tolist() for name in ("source", "design", "place")), strict=True)
        pixels = kept["pixels"]
        return [
            (Sprite(source, design, pixels[i]), place)
            for i, (source, design, place) in enumerate(columns)
        ]


def gather(catalogue: list[Thing]) -> list[Sprite]:
    """Return all drawings but the dropped ones; those that show a class have its label."""
    label_of = {slug: i for i, thing in enumerate(catalogue) for slug in thing.emojis}
    sprites = []
    for sprite, place in drawings():
        if place and (Path(place).stem in DROPPED or sprite.source in DROPPED):
            continue
        if not place:
            sprite.label = label_of.get(sprite.design.removeprefix("emoji/"), UNLABELLED)
        elif "bw" not in words(Path(place).stem):
            sprite.label = name_clipart(Path(place), catalogue)
        sprites.append(sprite)
    return sprites


def main() -> None:
    Image.MAX_IMAGE_PIXELS = None  # the inputs are pinned by hash; the largest are skipped
    rng = np.random.default_rng(SEED)
    catalogue = things()
    sprites = gather(catalogue)
    hold_out(sprites, len(catalogue), rng)
    sprites = limit(drop_twins(sprites), rng)
    train = pack([s for s in sprites if s.seen], catalogue)
    named = pack([s for s in sprites if s.label != UNLABELLED], catalogue)
    write_atlas(train, DATA / "atlas_train.json")
    write_atlas(named, SHIPPED)
    per_class = np.bincount(named.labels[named.seen], minlength=len(catalogue))
    held = np.bincount(named.labels[~named.seen], minlength=len(catalogue))
    print(
        f"{len(catalogue)} classes, {len(named)} named sprites, {held.sum()} held out of "
        f"{(held > 0).sum()} classes; {len(train)} in training, "
        f"{(train.labels == UNLABELLED).sum()} unnamed"
    )
    for thing, seen, unseen in zip(catalogue, per_class, held, strict=True):
        if seen < LEAST_LEFT:
            print(f"  few: {thing.name} {seen} + {unseen}")


if __name__ == "__main__":
    main()
