"""From the bytes of a JPEG to pixel tensors on the model's device, as Markdown.

    python benchmarks/prepare.py --out runs/prepare.json

Theirs: the image processor of ``transformers`` with Pillow, on one core, and a copy to the device.
Ours: one copy of the bytes, everything else on the device. Both decode with Pillow. Settings of
LLaVA-1.5 and of Qwen3-VL. A picture of a size never seen before needs its weights made, which is
timed apart. Sides are timed in turn in one run; medians by the wall clock (device quartiles).
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from _gpu import device_of, environment, in_turns, table, write
from _shapes import smooth_image
from PIL import Image
from transformers import CLIPImageProcessorPil, Qwen2VLImageProcessorPil

from superneurons.vlm.pixels import PixelPreparer, decode, pixel_preparer
from superneurons.vlm.resize import weights

DIFFERENT = 8
COLUMNS = ("settings", "picture", "batch", "side", "wall ms", "ms (quartiles)", "× Pillow")


def processors() -> dict[str, Any]:
    """Image processors as llava-hf/llava-1.5-7b-hf and Qwen/Qwen3-VL-4B-Instruct set them."""
    return {
        "LLaVA-1.5": CLIPImageProcessorPil(
            size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
        ),
        "Qwen3-VL": Qwen2VLImageProcessorPil(
            patch_size=16, merge_size=2, temporal_patch_size=2,
            image_mean=[0.5] * 3, image_std=[0.5] * 3,
            size={"shortest_edge": 65536, "longest_edge": 16777216},
        ),
    }  # fmt: skip


def jpeg(height: int, width: int, seed: int) -> bytes:
    written = io.BytesIO()
    smooth_image(height, width, seed).save(written, "JPEG", quality=90)
    return written.getvalue()


def sides_of(
    processor: Any, preparer: PixelPreparer, size: tuple[int, int], batch: int
) -> dict[str, Callable[[int], Any]]:
    contents = [[jpeg(*size, seed * batch + i) for i in range(batch)] for seed in range(DIFFERENT)]

    def decoded(number: int) -> list[Image.Image]:
        shown = contents[number % DIFFERENT]
        return [Image.open(io.BytesIO(content)).convert("RGB") for content in shown]

    def theirs(number: int) -> torch.Tensor:
        made = processor(images=decoded(number), return_tensors="pt")
        return made["pixel_values"].to(preparer.device)

    def ours(number: int) -> torch.Tensor:
        shown = contents[number % DIFFERENT]
        return preparer([decode(content) for content in shown])["pixel_values"]

    return {"decoding alone": decoded, "Pillow": theirs, "ours": ours}


def difference(sides: dict[str, Callable[[int], Any]], preparer: PixelPreparer) -> dict[str, float]:
    """How many values differ, and by how many levels at most."""
    far = [
        (sides["ours"](n).cpu() - sides["Pillow"](n).cpu()).abs() / preparer.level
        for n in range(DIFFERENT)
    ]
    together = torch.cat([values.flatten() for values in far])
    return {"differ": (together > 1e-3).double().mean().item(), "levels": together.max().item()}


def new_sizes(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds to make both passes' weights for a picture of 640 × 480, on the CPU."""

    def make(_: int) -> np.ndarray:
        return weights(640, 448, "bicubic", (56, 336)) @ np.ones(640) + weights(
            480, 336, "bicubic", (0, 336)
        ) @ np.ones(480)

    found = in_turns({"new size": make}, device="cpu", repeats=options.repeats)["new size"]
    return {"side": "weights of a new size", **found.as_dict()}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    device = device_of(options.device)
    rows, lines = [], []
    for name, image_processor in processors().items():
        preparer = pixel_preparer(SimpleNamespace(image_processor=image_processor), device)
        assert preparer is not None
        for size in options.sizes:
            for batch in options.batches:
                sides = sides_of(image_processor, preparer, size, batch)
                times = in_turns(
                    sides, device=device, repeats=options.repeats, seconds=options.seconds
                )
                what = {"settings": name, "picture": f"{size[1]} × {size[0]}", "batch": batch}
                what |= difference(sides, preparer)
                for side, spent in times.items():
                    faster = times["Pillow"].wall_ms / spent.wall_ms
                    rows.append({**what, "side": side, **spent.as_dict(), "x Pillow": faster})
                    lines.append(cells(rows[-1]))
    print(table(COLUMNS, lines))
    weights_alone = new_sizes(options)
    print(f"\nWeights of a new size: {weights_alone['wall_ms']:.2f} ms, once.")
    most = max(row["levels"] for row in rows)
    print(f"Values that differ from Pillow's: {max(row['differ'] for row in rows):.2%}", end=" ")
    print(f"(by {most:.2g} levels at most).")
    return {"environment": environment(device), "times": rows, "weights": weights_alone}


def cells(row: dict[str, Any]) -> list[str]:
    return [
        row["settings"], row["picture"], str(row["batch"]), row["side"], f"{row['wall_ms']:.2f}",
        f"{row['ms']:.2f} ({row['low']:.2f}–{row['high']:.2f})", f"{row['x Pillow']:.1f}",
    ]  # fmt: skip


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(height), int(width)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--sizes", type=_size, nargs="+", default=[(480, 640), (3000, 4000)])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    write(options.out, measure(options))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
