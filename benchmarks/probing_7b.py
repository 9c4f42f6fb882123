"""Capturing all layers of a model of LLaVA-1.5-7B's shape, beside its bare prefills, as Markdown.

    python benchmarks/probing_7b.py --out runs/probing_7b.json

Random weights. Ours: ``capture`` of the residual stream of all 32 layers at the last prompt
position of records with a picture of 640 × 480 pixels in memory: preparation, prefill, activations
in float16 on the host. Theirs: the forward pass of ``transformers`` without a head, over batches
that lie on the device ready. First some batches of each in turn, then all samples of ours, once.
The bare prefills of all samples are the median of a batch times the number of batches. Seconds by
the wall clock. ``--shape tiny`` tries it out anywhere.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _gpu import allocated, device_of, environment, peak, synchronised, table, write
from _shapes import SHAPES, build, llava_processor, smooth_image

from superneurons.activations.capture import capture
from superneurons.task.record import Record
from superneurons.vlm.model import VLM, Inputs

DIFFERENT = 200  # pictures; records take them in turn
HEIGHT, WIDTH = 480, 640


def records_of(n: int, letters: int) -> list[Record]:
    """Records whose question has so many letters, each of which is a token."""
    images = [smooth_image(HEIGHT, WIDTH, seed) for seed in range(min(n, DIFFERENT))]
    question = ("Is there anything to be seen in the picture? Answer yes or no. " * 2)[:letters]
    return [Record((images[i % len(images)],), question, id=str(i)) for i in range(n)]


def prefills(vlm: VLM, ready: Sequence[Inputs], number: int) -> None:
    """Bare forward passes over batches that are ready."""
    trunk = vlm.model.get_submodule("model")
    with torch.inference_mode():
        for index in range(number):
            trunk(**ready[index % len(ready)].tensors, use_cache=False)


def seconds_of(call: Callable[[], object], device: torch.device) -> float:
    synchronised(device)
    begun = time.perf_counter()
    call()
    synchronised(device)
    return time.perf_counter() - begun


def measure(vlm: VLM, records: Sequence[Record], options: argparse.Namespace) -> dict[str, Any]:
    """Time both sides in turn, then all records of ours."""
    size, per_block = options.batch, options.block
    block = records[: size * per_block]
    ready = [vlm.encode(records[i * size : (i + 1) * size]) for i in range(2)]
    sides: dict[str, Callable[[], object]] = {
        "HF prefills": lambda: prefills(vlm, ready, per_block),
        "ours, capture": lambda: capture(vlm, block, batch_size=size),
        "ours, preparation only": lambda: [
            vlm.encode(block[start : start + size]) for start in range(0, len(block), size)
        ],
    }
    capture(vlm, records[:size], batch_size=size)
    prefills(vlm, ready, 1)
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, call in sides.items():
            spent[name].append(seconds_of(call, vlm.device) / per_block)
    batches = -(-len(records) // size)
    captured = []
    held = peak(
        lambda _: captured.append(capture(vlm, records[:size], batch_size=size)), vlm.device
    )
    whole = seconds_of(lambda: captured.append(capture(vlm, records, batch_size=size)), vlm.device)
    bare = median(spent["HF prefills"])
    return {
        "seconds per batch": {name: median(values) for name, values in spent.items()},
        "all rounds": spent,
        "ratio in turn": median(spent["ours, capture"]) / bare,
        "seconds for all": whole,
        "batches": batches,
        "seconds of bare prefills, scaled": bare * batches,
        "ratio for all": whole / (bare * batches),
        "activations": list(captured[-1].activations.shape),
        "tokens": int(ready[0].tensors["input_ids"].shape[1]),
        "peak bytes beyond the weights": held,
        "bytes of the weights": allocated(vlm.device),
    }


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    parser.add_argument("--device", type=device_of, default="auto")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="bfloat16")
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--block", type=int, default=10, help="batches timed at a time")
    parser.add_argument("--rounds", type=int, default=2, help="times that each side has its turn")
    parser.add_argument("--out", type=Path, help="JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    shape = SHAPES[f"llava-{options.shape}"]
    vlm = build(
        shape, device=options.device, dtype=getattr(torch, options.dtype),
        processor=llava_processor(shape.config),
    )  # fmt: skip
    found = measure(vlm, records_of(options.samples, shape.text - 1), options)
    print(f"{shape.name}, {found['tokens']} tokens, {options.dtype}, {options.samples} samples in "
          f"batches of {options.batch}, all {vlm.n_layers} layers\n")  # fmt: skip
    rows = [[name, f"{value:.4f}"] for name, value in found["seconds per batch"].items()]
    print(table(["in turn", "seconds per batch"], rows))
    print(f"\nAll samples: {found['seconds for all']:.1f} s; bare prefills, scaled: "
          f"{found['seconds of bare prefills, scaled']:.1f} s; {found['ratio for all']:.2f} times "
          f"that ({found['ratio in turn']:.2f} in turn).")  # fmt: skip
    about = {"samples": options.samples, "batch": options.batch, "dtype": options.dtype}
    write(options.out, {"benchmark": "probing_7b", "options": about, **found,
                        "environment": environment(options.device)})  # fmt: skip


if __name__ == "__main__":
    main()
