"""From the bytes of a JPEG to a label, beside `transformers`, as Markdown.

    python benchmarks/jpeg_to_label.py --out runs/jpeg_to_label.json

One picture of 640 × 480 pixels at a time, a model of LLaVA-1.5-7B's shape with random weights, the
prompt's 640 token ids at hand on both sides. Theirs: the bytes decoded by Pillow, prepared by the
image processor of ``transformers`` (with Pillow; and with torchvision on the device, where that is
installed), ``generate`` of one token. Ours: decoded by Pillow, prepared by the same processor or on
the model's device, exit at layer 1, a linear read-out of 1,000 neurons. All sides are timed in turn
in one run; times are medians from the bytes to the label on the host (quartiles). Labels: how
often ours from pictures prepared on the device is that from the same pictures prepared by Pillow.
"Decoded there too": the library's ``preparation="jpeg"``, which has to be asked for; needs CUDA and
torchvision.
``--shape tiny`` tries it out anywhere.
"""

from __future__ import annotations

import argparse
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from _exits import (
    DIFFERENT,
    LinearReadOut,
    Opened,
    Report,
    generated,
    line,
    model_of,
    neurons,
    open_all,
    options_of,
)
from _gpu import in_turns, table
from _shapes import Shape, random_inputs, smooth_image
from PIL import Image
from transformers import CLIPImageProcessorPil
from transformers.utils import is_torchvision_available

from superneurons.task.images import embedded_image
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.jpeg import decoded_on, why_not_on
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.pixels import pixel_preparer, why_not

EXIT = 1
HEIGHT, WIDTH, QUALITY = 480, 640, 90
THEIRS, THERE = "HF, Pillow", "decoded there too"
COLUMNS = ("side", "ran", "ms (quartiles)", "wall ms", f"× {THEIRS}")

Prepare = Callable[[bytes], torch.Tensor]


def jpeg(seed: int) -> bytes:
    written = io.BytesIO()
    smooth_image(HEIGHT, WIDTH, seed).save(written, "JPEG", quality=QUALITY)
    return written.getvalue()


def decoded(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def decoded_there(content: bytes, device: torch.device) -> torch.Tensor:
    """Decode as the library does where that was asked for, and never by Pillow after all."""
    found = decoded_on(embedded_image(content), device)
    if found is None:
        raise RuntimeError(f"this JPEG is not decoded on {device}")
    return found


def processor_settings(shape: Shape) -> dict[str, Any]:
    """Those of llava-hf/llava-1.5-7b-hf, for the size that the model sees."""
    side = shape.height
    return {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}


def preparations(vlm: VLM, shape: Shape) -> tuple[dict[str, Prepare], list[dict[str, Any]]]:
    """Ways to make pixel tensors on the model's device, and why others are left out."""
    settings, left_out = processor_settings(shape), []
    by_pillow = CLIPImageProcessorPil(**settings)
    found: dict[str, Prepare] = {
        "Pillow": lambda content: by_pillow(images=[decoded(content)], return_tensors="pt")[
            "pixel_values"
        ]
    }
    if is_torchvision_available():
        from transformers import CLIPImageProcessor

        fast = CLIPImageProcessor(**settings)
        found["torchvision"] = lambda content: fast(
            images=[decoded(content)], return_tensors="pt", device=str(vlm.device)
        )["pixel_values"]
    else:
        left_out.append(_left_out("torchvision", "it is not installed"))
    processor = SimpleNamespace(image_processor=by_pillow)
    preparer = pixel_preparer(processor, vlm.device)
    if preparer is None:
        left_out.append(_left_out("on the device", why_not(processor)))
    else:
        found["on the device"] = lambda content: preparer([decoded(content)])["pixel_values"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AccelerationWarning)  # the reason is reported
            reason = why_not_on(vlm.device)
        if reason:
            left_out.append(_left_out(THERE, reason))
        else:
            found[THERE] = lambda content: preparer([decoded_there(content, vlm.device)])[
                "pixel_values"
            ]
    return found, left_out


def _left_out(way: str, reason: str) -> dict[str, Any]:
    return {"way": way, "kind": "preparation", "reason": reason}


def answering(
    like: Inputs, prepare: Prepare, answer: Callable[[Inputs], Any]
) -> Callable[[bytes], Any]:
    """Decode, prepare, answer; the prompt's ids are those of ``like``."""
    seen = like.tensors["pixel_values"]

    def call(content: bytes) -> Any:
        pixels = prepare(content).to(seen.device, seen.dtype)
        return answer(replace(like, tensors={**like.tensors, "pixel_values": pixels}))

    return call


def sides_of(
    vlm: VLM, like: Inputs, ways: Mapping[str, Prepare], exits: Sequence[Opened], n: int
) -> dict[str, tuple[str, Callable[[bytes], Any]]]:
    """Each side's name, what accelerates it, and the call."""
    read_out, theirs = LinearReadOut(n, vlm.device), generated(vlm)
    sides = {}
    for way in (way for way in ways if way in ("Pillow", "torchvision")):
        sides[f"HF, {way}"] = ("–", answering(like, ways[way], theirs))
    for opened in exits:
        for way, prepare in ways.items():
            answer = _labelled(opened, read_out)
            name = f"ours, {opened.way}, {way}"
            sides[name] = (opened.exit.path, answering(like, prepare, answer))
    for way, prepare in ways.items():
        name = f"decoded and prepared only, {way}"
        sides[name] = ("–", answering(like, prepare, lambda inputs: inputs))
    return sides


def _labelled(opened: Opened, read_out: LinearReadOut) -> Callable[[Inputs], list[str]]:
    return lambda inputs: read_out.labels(opened.exit(inputs))


def labels_agree(
    like: Inputs, ways: Mapping[str, Prepare], opened: Opened, read_out: LinearReadOut, n: int
) -> list[dict[str, Any]]:
    """Compare decisions from each preparation with those from Pillow's."""
    found = {}
    for way, prepare in ways.items():
        call = answering(like, prepare, lambda inputs: read_out.decisions(opened.exit(inputs)))
        found[way] = torch.cat([call(jpeg(10_000 + seed)) for seed in range(n)])
    plain = found["Pillow"]
    threshold = plain.sort().values[n // 2 - 1 : n // 2 + 1].mean()  # on no record
    return [
        {
            "way": way, "ran": opened.exit.path, "records": n,
            "agree": ((values > threshold) == (plain > threshold)).double().mean().item(),
            "noise": ((values - plain).square().mean().sqrt() / plain.std()).item(),
        }
        for way, values in found.items()
        if way != "Pillow"
    ]  # fmt: skip


@torch.inference_mode()
def measure(vlm: VLM, shape: Shape, options: argparse.Namespace, report: Report) -> None:
    like = random_inputs(vlm, shape, 1, seed=0)
    layers, columns = neurons(vlm, EXIT, options.neurons)
    exits, failed = open_all(vlm, layers, columns, options.accelerations, [like])
    ways, left_out = preparations(vlm, shape)
    report.add("not run", failed + left_out)
    sides = sides_of(vlm, like, ways, exits, len(layers))
    contents = [jpeg(seed) for seed in range(DIFFERENT)]
    calls = {
        name: (lambda number, call=call: call(contents[number % DIFFERENT]))
        for name, (_, call) in sides.items()
    }
    times = in_turns(
        calls, device=vlm.device, warm=options.warm, repeats=options.repeats,
        seconds=options.seconds,
    )  # fmt: skip
    bases = {name: times[name] for name in times if name.startswith("HF")}
    rows = [line(name, times[name], bases, ran=ran) for name, (ran, _) in sides.items()]
    report.add("times", rows)
    print(table(COLUMNS, [cells(row) for row in rows]), flush=True)
    if "agree" in options.only:
        read_out = LinearReadOut(len(layers), vlm.device)
        found = labels_agree(like, ways, exits[-1], read_out, options.agree)
        report.add("agreement", found)
        for row in found:
            print(f"- prepared {row['way']}: {row['agree']:.1%} of {row['records']} labels agree")


def cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["side"], row["ran"], f"{row['ms']:.2f} ({row['low']:.2f}–{row['high']:.2f})",
        f"{row['wall_ms']:.2f}", f"{row[f'x {THEIRS}']:.1f}",
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    options = options_of(parser, arguments, batches=(1,), agree=200)
    report = Report("jpeg_to_label", options, options.device)
    vlm, shape = model_of(f"llava-{options.shape}", options)
    print(f"{shape.name}, {shape.tokens} tokens, {options.dtype}, JPEG of {WIDTH} × {HEIGHT}\n")
    measure(vlm, shape, options, report)
    report.failures()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
