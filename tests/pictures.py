"""Made-up records whose answers are easy to see."""

from __future__ import annotations

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


def coloured(n: int, options: bool = False) -> list[Record]:
    names = ("blue", "green", "red")
    records = []
    for i in range(n):
        label = names[i % 3]
        own = (names[i % 3], names[(i + 1) % 3]) if options else None
        picture = Image.new("RGB", (8, 8), (i, label == "green", 255))
        records.append(Record((picture,), "Which colour?", label, options=own))
    return records
