"""Exits of a model of Qwen3-VL's shape beside `transformers`, as Markdown.

    python benchmarks/exit_qwen3_vl.py --size 4b --out runs/exit_qwen3_vl_4b.json

Random weights, the pixel tensors of a picture of 640 × 480 on the device in, label on the host
out; 340 tokens, 300 of them the picture's. Theirs: ``generate`` of one token; one forward pass with
logits of the last position only; and their model cut to the layers that run. Ours: the vision
tower with what it adds to early layers, and the layers up to the exit, of which 1,000 neurons are
read, then a linear read-out; at each acceleration. The sides of an exit are timed in turn; times
are medians between device events (quartiles), and by the wall clock. Agreement: decisions beside
those of the plain pass of ``transformers``, on random records. ``--size tiny`` tries it out
anywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from _agreement import agree_all
from _exits import (
    GENERATE,
    PREFILL,
    Opened,
    Report,
    answering,
    cut,
    generated,
    line,
    model_of,
    neurons,
    open_all,
    options_of,
    prefilled,
    timed,
)
from _gpu import freed, table
from _shapes import Shape, random_inputs

from superneurons.vlm.model import VLM

CUT = "HF cut to the exit"
COLUMNS = (
    "batch", "exit", "side", "ran", "ms (quartiles)", "wall ms", f"× {GENERATE}", f"× {PREFILL}",
)  # fmt: skip


def sides_of(vlm: VLM, depth: int, exits: Sequence[Opened]) -> dict[str, Any]:
    """Both sides of one exit, by name."""
    sides: dict[str, Any] = {
        GENERATE: generated(vlm),
        PREFILL: prefilled(vlm),
        CUT: cut(vlm, depth),
    }
    return sides | {f"ours, {opened.way}": answering(opened) for opened in exits}


def time_exit(
    vlm: VLM, shape: Shape, depth: int, options: argparse.Namespace, report: Report
) -> None:
    layers, columns = neurons(vlm, depth, options.neurons)
    first = [random_inputs(vlm, shape, options.batches[0], seed=0)]
    exits, failed = open_all(vlm, layers, columns, options.accelerations, first)
    report.add("opened", [{"exit": depth, **opened.as_dict()} for opened in exits])
    report.add("not run", failed)
    sides = sides_of(vlm, depth, exits)
    for batch in options.batches:
        times, peaks = timed(sides, vlm, shape, batch, options)
        bases = {base: times[base] for base in (GENERATE, PREFILL)}
        ran = {f"ours, {opened.way}": opened.exit.path for opened in exits}
        rows = [
            line(side, times[side], bases, batch=batch, exit=depth, ran=ran.get(side, "–"),
                 **{"peak bytes": peaks[side]})
            for side in sides
        ]  # fmt: skip
        report.add("times", rows)
        print(table(COLUMNS, [cells(row) for row in rows]), flush=True)


def cells(row: dict[str, Any]) -> list[Any]:
    return [
        row["batch"], row["exit"], row["side"], row["ran"],
        f"{row['ms']:.2f} ({row['low']:.2f}–{row['high']:.2f})", f"{row['wall_ms']:.2f}",
        f"{row[f'x {GENERATE}']:.1f}", f"{row[f'x {PREFILL}']:.1f}",
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", choices=("4b", "8b", "tiny"), default="4b")
    parser.add_argument("--exits", type=int, nargs="+", help="layers; default: 1 8 16")
    options = options_of(parser, arguments, batches=(1, 16), agree=200)
    options.exits = options.exits or ([1, 2, 4] if options.size == "tiny" else [1, 8, 16])
    report = Report("exit_qwen3_vl", options, options.device)
    name = f"qwen3-vl-{options.size}"
    if "time" in options.only:
        vlm, shape = model_of(name, options)
        print(f"{shape.name}, {shape.tokens} tokens, {options.dtype}\n")
        for depth in options.exits:
            time_exit(vlm, shape, depth, options, report)
            freed(options.device)
        del vlm
        freed(options.device)
    if "agree" in options.only:
        vlm, shape = model_of(name, options, layers=max(options.exits))
        for depth in options.exits:
            agree_all(vlm, shape, depth, options, report)
    report.failures()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
