"""Exits of a model of Qwen3-VL's shape beside `transformers`, as Markdown.

    python benchmarks/exit_qwen3_vl.py --size 4b --out runs/exit_qwen3_vl_4b.json

Random weights, the pixel tensors of a picture of 640 × 480 on the device in, label on the host
out; 340 tokens, 300 of them the picture's. Theirs: ``generate`` of one token; one forward pass with
logits of the last position only; and their model cut to the layers that run. Ours: the vision
tower with what it adds to early layers, and the layers up to the exit, of which 1,000 neurons are
read, then a linear read-out; at each acceleration. All sides are timed in turn in one run; times
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
    LinearReadOut,
    Opened,
    Report,
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

COLUMNS = (
    "batch", "exit", "side", "ran", "ms (quartiles)", "wall ms", f"× {GENERATE}", f"× {PREFILL}",
)  # fmt: skip


def open_exits(
    vlm: VLM, shape: Shape, options: argparse.Namespace, report: Report
) -> dict[int, list[Opened]]:
    """Open every way to every exit."""
    first = [random_inputs(vlm, shape, batch, seed=0) for batch in options.batches]
    found = {}
    for depth in options.exits:
        layers, columns = neurons(vlm, depth, options.neurons)
        found[depth], failed = open_all(vlm, layers, columns, options.accelerations, first)
        report.add("opened", [{"exit": depth, **opened.as_dict()} for opened in found[depth]])
        report.add("not run", failed)
    return found


def sides_of(vlm: VLM, exits: dict[int, list[Opened]], n: int) -> dict[tuple[int, str], Any]:
    """Name each side by its exit (0: none) and its way."""
    sides: dict[tuple[int, str], Any] = {
        (0, GENERATE): generated(vlm),
        (0, PREFILL): prefilled(vlm),
    }
    for depth, ways in exits.items():
        read_out = LinearReadOut(min(n, depth * vlm.hidden_size), vlm.device)
        sides[depth, "HF cut to the exit"] = cut(vlm, depth)
        for opened in ways:
            sides[depth, f"ours, {opened.way}"] = lambda inputs, o=opened, r=read_out: r.labels(
                o.exit(inputs)
            )
    return sides


def time_all(vlm: VLM, shape: Shape, options: argparse.Namespace, report: Report) -> None:
    exits = open_exits(vlm, shape, options, report)
    sides = sides_of(vlm, exits, options.neurons)
    for batch in options.batches:
        times, peaks = timed(sides, vlm, shape, batch, options)
        bases = {base: times[0, base] for base in (GENERATE, PREFILL)}
        ran = {(d, f"ours, {o.way}"): o.exit.path for d, ways in exits.items() for o in ways}
        rows = [
            line(side, times[depth, side], bases, batch=batch, exit=depth,
                 ran=ran.get((depth, side), "–"), **{"peak bytes": peaks[depth, side]})
            for depth, side in sides
        ]  # fmt: skip
        report.add("times", rows)
        print(table(COLUMNS, [cells(row) for row in rows]), flush=True)


def cells(row: dict[str, Any]) -> list[Any]:
    return [
        row["batch"], row["exit"] or "–", row["side"], row["ran"],
        f"{row['ms']:.2f} ({row['low']:.2f}–{row['high']:.2f})", f"{row['wall_ms']:.2f}",
        f"{row[f'x {GENERATE}']:.1f}", f"{row[f'x {PREFILL}']:.1f}",
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", choices=("4b", "8b", "tiny"), default="4b")
    parser.add_argument("--exits", type=int, nargs="+", help="layers; default: 1 8 16")
    options = options_of(parser, arguments, batches=(1, 16))
    options.exits = options.exits or ([1, 2, 4] if options.size == "tiny" else [1, 8, 16])
    report = Report("exit_qwen3_vl", options, options.device)
    name = f"qwen3-vl-{options.size}"
    if "time" in options.only:
        vlm, shape = model_of(name, options)
        print(f"{shape.name}, {shape.tokens} tokens, {options.dtype}\n")
        time_all(vlm, shape, options, report)
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
