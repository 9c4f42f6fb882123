"""Exit at layer 1 of a model of LLaVA-1.5-7B's shape beside `transformers`, as Markdown.

    python benchmarks/exit_llava.py --out runs/exit_llava.json
    python benchmarks/exit_llava.py --dtype float32 --only agree --out runs/exit_llava_f32.json

Random weights, pixel tensors on the device in, label on the host out; 640 tokens. Theirs:
``generate`` of one token, and one forward pass with logits of the last position only. Ours: the
vision tower, the projector and layer 1, of which 1,000 neurons are read, then a linear read-out;
at each acceleration. Beside them the vision tower alone: that of ``transformers`` without the
layer it doesn't use, as a CUDA graph, and ours at each acceleration. All sides are timed in turn
in one run; times are medians between device events (quartiles), and by the wall clock. ``--at
vision:8:168`` adds an exit at another site, layer and size of the picture in pixels.
Agreement: decisions beside those of the plain pass of ``transformers``, on random records.
``--shape tiny`` tries it out anywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from _agreement import agree_all
from _exits import (
    ACCELERATIONS,
    GENERATE,
    PREFILL,
    Opened,
    Report,
    answering,
    generated,
    line,
    model_of,
    neurons,
    open_all,
    options_of,
    prefilled,
    timed,
)
from _gpu import Times, captured, freed, table
from _shapes import Shape, random_inputs, vision_tower

from superneurons.activations.site import Site
from superneurons.vlm.model import VLM, Inputs

EXIT = 1
TOWER = "HF tower alone, graph"
COLUMNS = (
    "batch", "side", "ran", "ms (quartiles)", "wall ms", f"× {GENERATE}", f"× {PREFILL}",
    "/ tower alone", "/ HF tower",
)  # fmt: skip


def hf_tower(vlm: VLM, shape: Shape, batch: int) -> Callable[[Inputs], object]:
    tower = vision_tower(shape, device=vlm.device, dtype=vlm.dtype)
    pixels = random_inputs(vlm, shape, batch, seed=0).tensors["pixel_values"]
    call = captured(lambda seen: tower(seen).last_hidden_state, pixels)
    return lambda inputs: call(inputs.tensors["pixel_values"])


def opened_towers(
    vlm: VLM, shape: Shape, first: Sequence[Inputs], options: argparse.Namespace
) -> tuple[list[Opened], list[dict[str, Any]]]:
    """Open the exits within the vision tower, at the layer that the projector reads."""
    vision = shape.config.vision_config
    n = min(options.neurons, vision.hidden_size)
    layer = vision.num_hidden_layers + shape.config.vision_feature_layer + 1
    ways = [way for way in options.accelerations if way in options.towers]
    return open_all(vlm, [layer] * n, list(range(n)), ways, first, site=Site("vision"))


@dataclass(frozen=True)
class Setting:
    """Another exit, such as a search chooses.

    Parameters
    ----------
    site, layer
        What is read.
    pixels
        Side of the picture as the model sees it; ``None`` for its own.
    """

    site: Site
    layer: int
    pixels: int | None

    @classmethod
    def parse(cls, text: str) -> Setting:
        """Read ``SITE:LAYER`` or ``SITE:LAYER:PIXELS``."""
        site, layer, *pixels = text.split(":")
        return cls(Site.parse(site), int(layer), int(pixels[0]) if pixels else None)

    def __str__(self) -> str:
        size = "own resolution" if self.pixels is None else f"{self.pixels} pixels"
        return f"at {self.site}, layer {self.layer}, {size}"


def open_settings(
    vlm: VLM, shape: Shape, options: argparse.Namespace
) -> tuple[dict[str, tuple[Opened, Shape]], list[dict[str, Any]]]:
    """Open the exits asked for with ``--at``, by the name of their side."""
    found, failed = {}, []
    for setting in options.at:
        pixels = setting.pixels or shape.height
        view, seen = vlm.at_resolution(pixels), replace(shape, height=pixels, width=pixels)
        first = [random_inputs(vlm, seen, options.batches[0], seed=0)]
        n = min(options.neurons, vlm.shape(setting.site.kind)[1])
        ready, not_ready = open_all(
            view, [setting.layer] * n, list(range(n)), options.accelerations, first,
            site=setting.site,
        )  # fmt: skip
        found |= {f"{setting}, {opened.way}": (opened, seen) for opened in ready}
        failed += not_ready
    return found, failed


def rows_of(
    batch: int,
    times: Mapping[str, Times],
    exits: Sequence[Opened],
    towers: Sequence[Opened],
    others: Mapping[str, Opened],
) -> list[dict[str, Any]]:
    bases = {base: times[base] for base in (GENERATE, PREFILL)}
    alone = {opened.way: times[f"tower alone, {opened.way}"] for opened in towers}
    rows = [line(base, times[base], bases, batch=batch) for base in bases]
    rows.append(line(TOWER, times[TOWER], bases, batch=batch))
    rows += [
        line(f"tower alone, {opened.way}", alone[opened.way], bases, batch=batch,
             ran=opened.exit.path)
        for opened in towers
    ]  # fmt: skip
    for opened in exits:
        own = times[f"ours, {opened.way}"]
        about = {"batch": batch, "ran": opened.exit.path, "way": opened.way}
        about["/ HF tower"] = own.ms / times[TOWER].ms
        if opened.way in alone:
            about["/ tower alone"] = own.ms / alone[opened.way].ms
        rows.append(line(f"ours, {opened.way}", own, bases, **about))
    return rows + [
        line(name, times[name], bases, batch=batch, ran=opened.exit.path)
        for name, opened in others.items()
    ]


def time_all(vlm: VLM, shape: Shape, options: argparse.Namespace, report: Report) -> None:
    # What other batches need beforehand is done in the rounds that aren't counted.
    first = [random_inputs(vlm, shape, options.batches[0], seed=0)]
    layers, columns = neurons(vlm, EXIT, options.neurons)
    exits, failed = open_all(vlm, layers, columns, options.accelerations, first)
    towers, failed_towers = opened_towers(vlm, shape, first, options)
    settings, failed_settings = open_settings(vlm, shape, options)
    report.add("not run", failed + failed_towers + failed_settings)
    report.add("opened", [opened.as_dict() for opened in exits])
    ours = {f"ours, {opened.way}": opened for opened in exits}
    others = {name: opened for name, (opened, _) in settings.items()}
    shapes = {name: seen for name, (_, seen) in settings.items()}
    for batch in options.batches:
        sides: dict[str, Any] = {GENERATE: generated(vlm), PREFILL: prefilled(vlm)}
        sides |= {name: answering(opened) for name, opened in (ours | others).items()}
        sides[TOWER] = hf_tower(vlm, shape, batch)
        sides |= {f"tower alone, {opened.way}": opened.exit for opened in towers}
        times, peaks = timed(sides, vlm, shape, batch, options, shapes=shapes)
        rows = rows_of(batch, times, exits, towers, others)
        rows = [{**row, "peak bytes": peaks[row["side"]]} for row in rows]
        report.add("times", rows)
        print(table(COLUMNS, [cells(row) for row in rows]), flush=True)


def cells(row: dict[str, Any]) -> list[str]:
    def number(name: str, digits: int = 1) -> str:
        return f"{row[name]:.{digits}f}" if name in row else "–"

    return [
        str(row["batch"]), row["side"], row.get("ran", "–"),
        f"{row['ms']:.2f} ({row['low']:.2f}–{row['high']:.2f})", number("wall_ms", 2),
        number(f"x {GENERATE}"), number(f"x {PREFILL}"), number("/ tower alone", 2),
        number("/ HF tower", 2),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    parser.add_argument("--at", nargs="*", type=Setting.parse, default=[], help="SITE:LAYER:PIXELS")
    parser.add_argument(
        "--towers", nargs="*", choices=ACCELERATIONS, default=ACCELERATIONS[1:],
        help="accelerations at which the tower is timed alone too",
    )  # fmt: skip
    options = options_of(parser, arguments, batches=(1, 8, 32))
    report = Report("exit_llava", options, options.device)
    name = f"llava-{options.shape}"
    if "time" in options.only:
        vlm, shape = model_of(name, options)
        print(f"{shape.name}, {shape.tokens} tokens, {options.dtype}, exit at layer {EXIT}\n")
        time_all(vlm, shape, options, report)
        del vlm
        freed(options.device)
    if "agree" in options.only:
        vlm, shape = model_of(name, options, layers=EXIT + 1)
        agree_all(vlm, shape, EXIT, options, report)
    report.failures()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
