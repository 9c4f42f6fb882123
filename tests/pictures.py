"""Made-up records whose answers are easy to see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from superneurons.task.record import Record


def bright_records(n: int, seed: int = 0) -> list[Record]:
    """Pictures that are bright (yes) or dark (no), with noise: an easy question."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(n):
        level = 175 if i % 2 else 80
        pixels = np.clip(rng.normal(level, 25, size=(28, 28, 3)), 0, 255).astype(np.uint8)
        records.append(
            Record(
                (Image.fromarray(pixels),),
                "Is it bright?",
                label="yes" if i % 2 else "no",
                id=f"bright:{i}",
            )
        )
    return records


def murky(n: int, seed: int = 0) -> list[Record]:
    """Pictures a little brighter or darker than grey, every sixth with the wrong label."""
    rng = np.random.default_rng(seed)
    records = []
    for i, record in enumerate(bright_records(n, seed)):
        level = rng.normal(127, 6) + (5 if i % 2 else -5)
        pixels = np.clip(rng.normal(level, 20, size=(28, 28, 3)), 0, 255).astype(np.uint8)
        label = record.label if i % 6 else ("no" if record.label == "yes" else "yes")
        records.append(replace(record, images=(Image.fromarray(pixels),), label=label))
    return records


def coloured(n: int, options: bool = False) -> list[Record]:
    names = ("blue", "green", "red")
    records = []
    for i in range(n):
        label = names[i % 3]
        own = (names[i % 3], names[(i + 1) % 3]) if options else None
        picture = Image.new("RGB", (8, 8), (i, label == "green", 255))
        records.append(Record((picture,), "Which colour?", label, options=own))
    return records


def shades(n: int, seed: int = 0) -> list[Record]:
    """Pictures of three brightnesses, with noise: an easy question with three answers."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(n):
        label, level = (("dark", 50), ("grey", 125), ("pale", 205))[i % 3]
        pixels = np.clip(rng.normal(level, 15, size=(28, 28, 3)), 0, 255).astype(np.uint8)
        picture = Image.fromarray(pixels)
        records.append(Record((picture,), "How bright is it?", label, id=f"shade:{i}"))
    return records


def choices(n: int, seed: int = 0) -> list[Record]:
    """Multiple choice: two or three of the shades, in any order, the right one among them."""
    rng = np.random.default_rng(seed)
    records = []
    for i, record in enumerate(shades(n, seed)):
        others = [name for name in ("dark", "grey", "pale") if name != record.label]
        options = [str(record.label), *rng.permutation(others)[: 1 + i % 2].tolist()]
        place = (i // 2) % len(options)
        options[0], options[place] = options[place], options[0]
        records.append(replace(record, options=tuple(options), id=f"choice:{i}"))
    return records
