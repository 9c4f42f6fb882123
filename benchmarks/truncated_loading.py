"""What it takes to open the first layers of a checkpoint, beside opening it whole, as Markdown.

    python benchmarks/truncated_loading.py DIRECTORY --out runs/truncated_loading.json

Writes a random float16 checkpoint of LLaVA-1.5-7B's shape, sharded and named as on the hub, to a
directory that isn't there yet (14 GB, and a shard of memory while it is written; ``--layers``
writes fewer, ``--shard-gb`` smaller shards), and takes it away again. Each way
to open it runs in a process of its own, on ``--device``, in float16, after the files were dropped
from the page cache. Weights are mapped: what isn't used isn't read. So every weight held is read
once. Counted (Linux): bytes of the parameters; the peak of resident memory above that after
imports, and what is resident of it at the end; bytes fetched from disk (``read_bytes`` in
``/proc/self/io``: page faults of mapped files and the kernel's read-ahead too, what is in the page
cache already not); bytes of read calls (``rchar``); pages of files in memory; shards mapped after
opening; bytes on a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _gpu import device_of, environment
from _shapes import SHAPES, llava_processor
from PIL import Image
from safetensors.torch import save_file
from transformers import LlavaConfig, LlavaForConditionalGeneration

from superneurons.activations.capture import Captured
from superneurons.activations.site import Site
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm

DEPTH = 1
GB, MB = 10**9, 10**6
RANDOM = 2**24 + 1  # numbers that are repeated: odd, so that no two rows are alike
COUNTED = (
    "held bytes", "peak bytes", "resident bytes", "read bytes", "rchar bytes", "device bytes",
)  # fmt: skip
HUB_NAMES = (
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)

WAYS: dict[str, Callable[[Path, str], VLM]] = {
    "whole": lambda path, device: open_vlm(str(path), device=device, dtype="float16"),
    f"first {DEPTH}": lambda path, device: open_vlm(
        str(path), device=device, dtype="float16", depth=DEPTH
    ),
    f"classifier, exit layer {DEPTH}": lambda path, device: SuperNeuronClassifier.from_pretrained(
        path / "classifier", device=device
    ).vlm,
}  # fmt: skip


def of_7b(layers: int) -> LlavaConfig:
    """The shape of llava-hf/llava-1.5-7b-hf."""
    config = SHAPES["llava-7b"].with_layers(layers).config
    config.dtype = torch.float16
    return config


def on_the_hub(name: str) -> str:
    now, then = next(pair for pair in HUB_NAMES if name.startswith(pair[0]))
    return then + name.removeprefix(now).removeprefix("vision_model.")


def shards_of(path: Path) -> list[Path]:
    return sorted(path.glob("*.safetensors"))


def in_shards(
    tensors: Mapping[str, torch.Tensor], most: float
) -> Iterator[dict[str, torch.Tensor]]:
    """Part tensors, in their order, so that no part takes more bytes than ``most``."""
    part: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if part and sum(t.numel() * 2 for t in part.values()) + tensor.numel() * 2 > most:
            yield part
            part = {}
        part[name] = tensor
    yield part


def filled(shape: torch.Size, random: torch.Tensor) -> torch.Tensor:
    """Repeat random numbers over a tensor: to draw 7 billion takes longer than to write them."""
    tensor = torch.empty(shape.numel(), dtype=random.dtype)
    for piece in tensor.split(len(random)):
        piece.copy_(random[: len(piece)])
    return tensor.view(shape)


def write_checkpoint(path: Path, config: LlavaConfig, most: float) -> int:
    """Write a random float16 checkpoint in shards; returns its bytes."""
    path.mkdir(parents=True)
    config.save_pretrained(path)
    llava_processor(config).save_pretrained(path)
    with torch.device("meta"):
        shapes = LlavaForConditionalGeneration(config).state_dict()
    parts = list(in_shards(shapes, most))
    random = torch.empty(RANDOM, dtype=torch.float16).normal_(std=0.02)
    names = {}
    for number, part in enumerate(parts, start=1):
        file = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        tensors = {on_the_hub(name): filled(like.shape, random) for name, like in part.items()}
        save_file(tensors, path / file, {"format": "pt"})
        names |= dict.fromkeys(tensors, file)
    size = sum(file.stat().st_size for file in shards_of(path))
    index = {"metadata": {"total_size": size}, "weight_map": names}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    return size


def write_classifier(path: Path) -> None:
    """A real artefact, fitted on made-up activations of the first layers."""
    vlm = open_vlm(str(path), device="cpu", dtype="float16", depth=DEPTH)
    rng = np.random.default_rng(0)
    pictures = [Image.new("RGB", (8, 8), (number, 0, 0)) for number in range(40)]
    records = [
        Record((picture,), "Is it bright?", label="yes" if number % 2 else "no", id=str(number))
        for number, picture in enumerate(pictures)
    ]
    probing = probing_set(records, balanced=True, seed=0, multiclass="native")
    side = np.where(probing.y == "yes", 1, -1)[:, None, None]
    states = rng.normal(size=(len(probing.records), DEPTH, vlm.hidden_size)) + side
    captured = Captured({Site(): states.astype(np.float16)}, None, None)
    classifier = SuperNeuronClassifier(vlm, max_layer=DEPTH).fit_captured(probing, captured)
    classifier.save_pretrained(path / "classifier")


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def fetched(name: str = "read_bytes") -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def mapped(path: Path) -> list[str]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    found = {line.split(maxsplit=5)[-1] for line in lines if line.endswith(".safetensors")}
    return sorted(Path(file).name for file in found if Path(file).parent == path.resolve())


def on_device(device: torch.device) -> tuple[int, int]:
    """Bytes that tensors take on a GPU, now and at most; 0 elsewhere."""
    if device.type != "cuda":
        return 0, 0
    torch.cuda.synchronize(device)
    return torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)


def open_once(path: Path, way: str, device: torch.device) -> dict[str, Any]:
    """Open, read every weight that is held once, and say what it took; in a fresh process."""
    import transformers.models.clip.modeling_clip
    import transformers.models.llava.modeling_llava  # noqa: F401  # imports don't count

    torch.empty(1, device=device)  # nor does starting the device
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    resident, read, called = status("VmRSS"), fetched(), fetched("rchar")
    begun = time.perf_counter()
    vlm = WAYS[way](path, str(device))
    opened, shards = time.perf_counter() - begun, mapped(path)
    parameters = list(vlm.model.parameters())
    for parameter in parameters:
        parameter.view(torch.int16).max()
    held, most = on_device(device)
    return {
        "way": way,
        "layers": vlm.depth,
        "held bytes": sum(p.numel() * p.element_size() for p in parameters),
        "peak bytes": status("VmHWM") - resident,
        "resident bytes": status("VmRSS") - resident,
        "file bytes in memory": status("RssFile"),
        "device bytes": held,
        "device peak bytes": most,
        "read bytes": fetched() - read,
        "rchar bytes": fetched("rchar") - called,
        "seconds to open": opened,
        "seconds to read all": time.perf_counter() - begun,
        "shards": shards,
    }


def measured(path: Path, way: str, device: str = "cpu") -> dict[str, Any]:
    """Open in a process of its own, with the checkpoint out of the page cache."""
    for file in shards_of(path):
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    command = [sys.executable, __file__, str(path), "--open", way, "--device", device]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def as_markdown(line: Mapping[str, Any], shards: int) -> str:
    cells = [
        line["way"],
        line["layers"],
        *(f"{line[name] / MB:,.0f}" for name in COUNTED),
        f"{line['seconds to open']:.1f}",
        f"{line['seconds to read all']:.1f}",
        f"{len(line['shards'])} of {shards}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def report(path: Path, ways: Sequence[str], device: str) -> list[dict[str, Any]]:
    shards = len(shards_of(path))
    print("| opened | layers | MB held | MB peak | MB resident | MB from disk | MB by read calls "
          "| MB on the device | s open | s all read | shards |")  # fmt: skip
    print("|---" * 11 + "|")
    lines = []
    for way in ways:
        lines.append(measured(path, way, device))
        print(as_markdown(lines[-1], shards), flush=True)
    return lines


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--layers", type=int, default=32, help="decoder layers to write")
    parser.add_argument("--shard-gb", type=float, default=5, help="most in one shard")
    parser.add_argument("--device", type=device_of, default="cpu")
    parser.add_argument("--out", type=Path, help="JSON too")
    parser.add_argument("--open", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, shape: Callable[[int], Any] = of_7b) -> None:
    options = options_of(arguments)
    path = options.directory
    if options.open:
        print(json.dumps(open_once(path, options.open, options.device)))
        return
    if path.exists():
        sys.exit(f"{path} is there already: give a directory to make.")
    try:
        size = write_checkpoint(path, shape(options.layers), options.shard_gb * GB)
        write_classifier(path)
        print(f"{options.layers} decoder layers, {size / GB:.1f} GB, float16, in "
              f"{len(shards_of(path))} shards; {options.device}; "
              f"torch {torch.__version__}\n")  # fmt: skip
        lines = report(path, list(WAYS), str(options.device))
    finally:
        shutil.rmtree(path, ignore_errors=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        found = {
            "benchmark": "truncated_loading", "layers": options.layers, "checkpoint bytes": size,
            "environment": environment(options.device), "lines": lines,
        }  # fmt: skip
        options.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
