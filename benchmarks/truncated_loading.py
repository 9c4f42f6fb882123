"""What it takes to open the first layers of a checkpoint, beside opening it whole, as Markdown.

    python benchmarks/truncated_loading.py DIRECTORY --out runs/truncated_loading.json

Writes a random float16 checkpoint of LLaVA-1.5-7B's shape, sharded and named as on the hub, to a
directory that isn't there yet (14 GB, and twice a shard of memory while it is written; ``--layers``
writes fewer, ``--shard-gb`` smaller shards), and takes it away again. Each way
to open it runs in a process of its own, on the CPU, in float16, after the files were dropped from
the page cache. Weights are mapped: what isn't used isn't read. So every weight held is read once.
Counted (Linux): bytes of the parameters; the peak of resident memory above that after imports;
bytes fetched from disk (``read_bytes`` in ``/proc/self/io``: page faults of mapped files and the
kernel's read-ahead too, what is in the page cache already not); shards mapped while open.
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
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from superneurons.activations.capture import Captured
from superneurons.activations.site import Site
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm

DEPTH = 1
GB, MB = 10**9, 10**6
HUB_NAMES = (
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)

WAYS: dict[str, Callable[[Path], VLM]] = {
    "whole": lambda path: open_vlm(str(path), device="cpu", dtype="float16"),
    f"first {DEPTH}": lambda path: open_vlm(
        str(path), device="cpu", dtype="float16", depth=DEPTH
    ),
    f"classifier, exit layer {DEPTH}": lambda path: SuperNeuronClassifier.from_pretrained(
        path / "classifier", device="cpu"
    ).vlm,
}  # fmt: skip


def of_7b(layers: int) -> LlavaConfig:
    """The shape of llava-hf/llava-1.5-7b-hf."""
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
            image_size=336, patch_size=14, projection_dim=768,
        ),
        text_config=LlamaConfig(
            vocab_size=32_064, hidden_size=4096, intermediate_size=11_008,
            num_hidden_layers=layers, num_attention_heads=32, rms_norm_eps=1e-5,
        ),
        image_token_index=0, vision_feature_layer=-2, vision_feature_select_strategy="default",
        dtype="float16",
    )  # fmt: skip


def write_processor(path: Path, vision: CLIPVisionConfig) -> None:
    """A byte-level tokenizer: the words don't matter here."""
    words = ["<image>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    size = {"height": vision.image_size, "width": vision.image_size}
    template = (
        "{% for m in messages %}{% for c in m['content'] %}"
        "{{ '<image>\n' if c['type'] == 'image' else c['text'] }}{% endfor %}{% endfor %}"
    )
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=size, crop_size=size),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token="<pad>", additional_special_tokens=["<image>"]
        ),
        patch_size=vision.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=template,
    ).save_pretrained(path)


def on_the_hub(name: str) -> str:
    now, then = next(pair for pair in HUB_NAMES if name.startswith(pair[0]))
    return then + name.removeprefix(now).removeprefix("vision_model.")


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


def write_checkpoint(path: Path, config: LlavaConfig, most: float) -> int:
    """Write a random float16 checkpoint in shards; returns its bytes."""
    path.mkdir(parents=True)
    config.save_pretrained(path)
    write_processor(path, config.vision_config)
    with torch.device("meta"):
        shapes = LlavaForConditionalGeneration(config).state_dict()
    parts = list(in_shards(shapes, most))
    generator = torch.Generator().manual_seed(0)
    names = {}
    for number, part in enumerate(parts, start=1):
        file = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        tensors = {
            on_the_hub(name): torch.empty(like.shape, dtype=torch.float16).normal_(
                std=0.02, generator=generator
            )
            for name, like in part.items()
        }
        save_file(tensors, path / file, {"format": "pt"})
        names |= dict.fromkeys(tensors, file)
    size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
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


def fetched() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def mapped(path: Path) -> list[str]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    found = {line.split(maxsplit=5)[-1] for line in lines if line.endswith(".safetensors")}
    return sorted(Path(file).name for file in found if Path(file).parent == path.resolve())


def open_once(path: Path, way: str) -> dict[str, Any]:
    """Open, read every weight that is held once, and say what it took; in a fresh process."""
    import transformers.models.clip.modeling_clip
    import transformers.models.llava.modeling_llava  # noqa: F401  # imports don't count

    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    resident, read, begun = status("VmRSS"), fetched(), time.perf_counter()
    vlm = WAYS[way](path)
    opened = time.perf_counter() - begun
    parameters = list(vlm.model.parameters())
    for parameter in parameters:
        parameter.view(torch.int16).max()
    return {
        "way": way,
        "layers": vlm.depth,
        "held bytes": sum(p.numel() * p.element_size() for p in parameters),
        "peak bytes": status("VmHWM") - resident,
        "read bytes": fetched() - read,
        "seconds to open": opened,
        "seconds to read all": time.perf_counter() - begun,
        "shards": mapped(path),
    }


def measured(path: Path, way: str) -> dict[str, Any]:
    """Open in a process of its own, with the checkpoint out of the page cache."""
    for file in path.glob("*.safetensors"):
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    command = [sys.executable, __file__, str(path), "--open", way]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def as_markdown(line: Mapping[str, Any], shards: int) -> str:
    cells = [
        line["way"],
        line["layers"],
        *(f"{line[name] / MB:,.0f}" for name in ("held bytes", "peak bytes", "read bytes")),
        f"{line['seconds to open']:.1f}",
        f"{line['seconds to read all']:.1f}",
        f"{len(line['shards'])} of {shards}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def report(path: Path, ways: Sequence[str]) -> list[dict[str, Any]]:
    shards = len(list(path.glob("*.safetensors")))
    print("| opened | layers | MB held | MB peak | MB from disk | s open | s all read | shards |")
    print("|---|---|---|---|---|---|---|---|")
    lines = []
    for way in ways:
        lines.append(measured(path, way))
        print(as_markdown(lines[-1], shards), flush=True)
    return lines


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--layers", type=int, default=32, help="decoder layers to write")
    parser.add_argument("--shard-gb", type=float, default=5, help="most in one shard")
    parser.add_argument("--out", type=Path, help="JSON too")
    parser.add_argument("--open", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, shape: Callable[[int], Any] = of_7b) -> None:
    options = options_of(arguments)
    path = options.directory
    if options.open:
        print(json.dumps(open_once(path, options.open)))
        return
    if path.exists():
        sys.exit(f"{path} is there already: give a directory to make.")
    try:
        size = write_checkpoint(path, shape(options.layers), options.shard_gb * GB)
        write_classifier(path)
        print(f"{options.layers} decoder layers, {size / GB:.1f} GB, float16; CPU, "
              f"{torch.get_num_threads()} threads; torch {torch.__version__}\n")  # fmt: skip
        lines = report(path, list(WAYS))
    finally:
        shutil.rmtree(path, ignore_errors=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        found = {"layers": options.layers, "checkpoint bytes": size, "lines": lines}
        options.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
