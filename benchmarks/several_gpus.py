"""A model laid over several GPUs beside one GPU, and Ray actors of every kind, as Markdown.

    python benchmarks/several_gpus.py DIRECTORY --devices cuda:0,cuda:1 --out runs/several_gpus.json

Writes a random float16 checkpoint of LLaVA-1.5-7B's shape and pictures to a directory that isn't
there yet (14 GB; ``--layers`` writes fewer), and takes them away again. Shown are:

- what opening it says where each GPU may hold three quarters of it (PyTorch is told so), and what
  each then holds of it;
- one pass over ``--batch`` records that captures every decoder layer, on the first device and on
  all of them in turn: median between device events, whether all activations are equal;
- with ``--ray``: probing and answering by actors with one GPU, half a GPU and all of them, beside
  this process on the first GPU: shards equal byte by byte, answers equal, and the seconds that it
  took with starting the actors and opening the models: no measure of speed. The cluster is local.

With ``--large`` instead: a model of 90 layers of LLaMA-2-70B's shape (155 GB) opened on the first
device and on all of them, and one pass there. Its weights are zeros that take no room on the disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _gpu import environment, freed, in_turns, synchronised, table, write
from _shapes import llava_processor
from PIL import Image
from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from truncated_loading import GB, in_shards, of_7b, on_the_hub, write_checkpoint

from superneurons.activations.capture import capture_inputs, to_float16
from superneurons.errors import ResourceError
from superneurons.scale.answering import answer_data
from superneurons.scale.probe_engines import probe
from superneurons.scale.ray_data import Actors
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm

ASKED = "Is it bright? Answer yes or no."


def write_records(folder: Path, n: int, side: int) -> list[Record]:
    """Bright and dark pictures with shapes of their own, as files, and a list of them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    records = []
    for number in range(n):
        coarse = rng.integers(0, 100, (6, 8, 3)) + 150 * (number % 2)
        picture = Image.fromarray(coarse.astype(np.uint8)).resize((side, side))
        path = folder / f"{number:05d}.png"
        picture.save(path)
        label = "yes" if number % 2 else "no"
        records.append(Record((path,), ASKED, label=label, id=path.name))
    lines = [json.dumps({"image": r.id, "question": ASKED, "id": r.id}) for r in records]
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n")
    return records


def opened(path: Path, devices: str) -> VLM:
    return open_vlm(str(path), device=devices, dtype="float16", verify=False)


def held(vlm: VLM) -> dict[str, int]:
    """Bytes of the weights on each device."""
    found = dict.fromkeys(map(str, vlm.devices), 0)
    for parameter in vlm.model.parameters():
        found[str(parameter.device)] += parameter.numel() * parameter.element_size()
    return found


@contextmanager
def small_gpus(devices: Sequence[str], size: int) -> Iterator[None]:
    """Let PyTorch take three quarters of a model's bytes of each GPU."""
    gpus = [torch.device(name) for name in devices if name.startswith("cuda")]
    for gpu in gpus:
        total = torch.cuda.get_device_properties(gpu).total_memory
        torch.cuda.set_per_process_memory_fraction(0.75 * size / total, gpu)
    try:
        yield
    finally:
        for gpu in gpus:
            torch.cuda.set_per_process_memory_fraction(1.0, gpu)


def too_large_for_one(path: Path, devices: list[str], size: int) -> dict[str, Any]:
    """Open a model where no GPU may hold it whole: on one, and on all."""
    found: dict[str, Any] = {}
    with small_gpus(devices, size):
        for name in (devices[0], ",".join(devices)):
            try:
                found[name] = held(opened(path, name))
            except ResourceError as error:
                found[name] = error.what
            freed(torch.device(devices[0]))
    return found


def side_by_side(
    path: Path, devices: list[str], records: Sequence[Record], repeats: int
) -> dict[str, Any]:
    """Capture every layer of a batch on one device and on all."""
    both = {name: opened(path, name) for name in (devices[0], ",".join(devices))}
    inputs = {name: vlm.encode(records) for name, vlm in both.items()}

    def call(name: str) -> Callable[[int], object]:
        return lambda _: both[name].last_states(inputs[name])

    times = in_turns({name: call(name) for name in both}, device=devices[0], repeats=repeats)
    one, all_ = (to_float16(both[name].last_states(inputs[name]).residual) for name in both)
    captured = capture_inputs(both[devices[0]], inputs[devices[0]]).activations
    return {
        "times": {name: spent.as_dict() for name, spent in times.items()},
        "equal": bool(np.array_equal(one, all_) and np.array_equal(one, captured)),
        "largest difference": float(np.abs(one.astype(np.float32) - all_).max()),
        "tokens": int(inputs[devices[0]].tensors["input_ids"].shape[1]),
        "held bytes": {name: held(vlm) for name, vlm in both.items()},
    }


def of_70b(layers: int) -> LlavaConfig:
    """LLaVA-1.5's tower and projector on a decoder of LLaMA-2-70B's shape."""
    config = of_7b(1)
    text = LlamaConfig(
        vocab_size=32064, hidden_size=8192, intermediate_size=28672, num_attention_heads=64,
        num_key_value_heads=8, num_hidden_layers=layers, max_position_embeddings=4096,
    )  # fmt: skip
    return LlavaConfig(**{**config.to_dict(), "text_config": text.to_dict(), "dtype": "float16"})


def write_zeros(path: Path, config: LlavaConfig, most: float) -> int:
    """Write a float16 checkpoint of zeros as files with holes; returns its bytes."""
    path.mkdir(parents=True)
    config.save_pretrained(path)
    llava_processor(config).save_pretrained(path)
    with torch.device("meta"):
        shapes = LlavaForConditionalGeneration(config).state_dict()
    size, names = 0, {}
    for number, part in enumerate(in_shards(shapes, most)):
        held, header = 0, {}
        for name, like in part.items():
            end = held + 2 * like.numel()
            header[on_the_hub(name)] = {
                "dtype": "F16", "shape": list(like.shape), "data_offsets": [held, end],
            }  # fmt: skip
            held = end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with (path / f"model-{number:05d}.safetensors").open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + held)
        names |= dict.fromkeys(header, f"model-{number:05d}.safetensors")
        size += held
    index = {"metadata": {"total_size": size}, "weight_map": names}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    return size


def large(path: Path, devices: list[str], records: Sequence[Record]) -> dict[str, Any]:
    """Open a model on the first device and on all, and run it there once; what came of it."""
    found: dict[str, Any] = {}
    for name in (devices[0], ",".join(devices)):
        begun = time.perf_counter()
        try:
            vlm = opened(path, name)
        except ResourceError as error:
            found[name] = {"said": error.what}
            continue
        finally:
            seconds = time.perf_counter() - begun
            freed(torch.device(devices[0]))
        inputs = vlm.encode(records)
        spent = []
        for _ in range(3):
            begun = time.perf_counter()
            states = vlm.last_states(inputs).residual
            synchronised(devices[0])
            spent.append((time.perf_counter() - begun) * 1e3)
        found[name] = {
            "said": "opened", "seconds to open": seconds, "held bytes": held(vlm),
            "layers": states.shape[1], "wall ms of the third pass": spent[-1],
        }  # fmt: skip
    return found


def kinds_of(gpus: int) -> dict[str, Actors | None]:
    """Who works, by what it is called: this process first."""
    return {
        "this process, one GPU": None,
        f"{gpus} actors with a GPU each": Actors(n=gpus, gpus=1),
        f"{2 * gpus} actors with half a GPU each": Actors(n=2 * gpus, gpus=0.5),
        f"an actor with {gpus} GPUs": Actors(n=1, gpus=gpus),
    }


def shards_in(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(store.glob("**/shard-*"))}


def answers_in(directory: Path) -> list[tuple[Any, ...]]:
    """Of each row its name, label, shares and error."""
    import pyarrow.parquet as pq

    rows = [row for p in sorted(directory.glob("block-*")) for row in pq.read_table(p).to_pylist()]
    return [(row["id"], row["label"], row["probabilities"], row["error"]) for row in rows]


def by_actors(
    path: Path, records: Sequence[Record], device: str, kinds: Mapping[str, Actors | None],
    batch: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Probe and answer by each kind of actor; what the first found is what the others compare to.

    All of them run the plain model: that is what one over several GPUs does.
    """
    common = {"model": str(path), "dtype": "float16", "batch_size": batch}
    params = {**common, "read_out": "paper", "read_out_params": {}, "acceleration": "off"}
    lines: list[dict[str, Any]] = []
    first: dict[str, Any] = {}
    for number, (name, actors) in enumerate(kinds.items()):
        store, fitted = path / f"store-{number}", path / "fitted-0"
        where = {"device": device if actors is None else "auto"}
        begun = time.perf_counter()
        probe(
            params | where, records, store, engine="local" if actors is None else "ray",
            actors=actors, classifier=None if number else fitted,
        )  # fmt: skip
        probed = time.perf_counter() - begun
        done = answer_data(
            fitted, str(path / "pictures/records.jsonl"), path / f"answers-{number}",
            actors=actors, rows_per_block=batch,
            opening={"batch_size": batch, "acceleration": "off", **where},
        )  # fmt: skip
        shards, answers = shards_in(store), answers_in(path / f"answers-{number}")
        first = first or {"shards": shards, "answers": answers}
        lines.append({
            "who": name, "seconds to probe": probed,
            "seconds to answer": time.perf_counter() - begun - probed,
            "shards": len(shards),
            "same shards": sum(first["shards"][key] == value for key, value in shards.items()),
            "answers": len(answers), "errors": done.errors,
            "same answers": sum(a == b for a, b in zip(first["answers"], answers, strict=True)),
        })  # fmt: skip
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def as_markdown(found: Mapping[str, Any]) -> str:
    text = ["Opened where no GPU may hold it whole:", ""]
    for name, result in found["too large for one"].items():
        shares = result if isinstance(result, str) else ", ".join(
            f"{size / GB:.2f} GB on {device}" for device, size in result.items()
        )  # fmt: skip
        text.append(f"- `{name}`: {shares}")
    pass_, rows = found["side by side"], []
    for name, times in pass_["times"].items():
        rows.append([f"`{name}`", f"{times['ms']:.1f} ({times['low']:.1f} to {times['high']:.1f})",
                     times["repeats"]])  # fmt: skip
    text += ["", f"All layers of {found['batch']} records of {pass_['tokens']} tokens; activations "
             f"{'equal' if pass_['equal'] else 'NOT equal'}:", "",
             table(["device", "ms a batch (quartiles)", "rounds"], rows)]  # fmt: skip
    if found["actors"]:
        rows = [[line["who"], f"{line['same shards']} of {line['shards']}",
                 f"{line['same answers']} of {line['answers']}",
                 f"{line['seconds to probe']:.0f} + {line['seconds to answer']:.0f}"]
                for line in found["actors"]]  # fmt: skip
        text += ["", table(["who", "same shards", "same answers", "s to probe + answer"], rows)]
    return "\n".join(text)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--devices", default="cuda:0,cuda:1")
    parser.add_argument("--layers", type=int, default=32, help="decoder layers to write")
    parser.add_argument("--records", type=int, default=512)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--ray", action="store_true", help="by actors, too")
    parser.add_argument("--large", action="store_true", help="a model larger than one GPU instead")
    parser.add_argument("--out", type=Path, help="JSON too")
    return parser.parse_args(arguments)


def larger(options: argparse.Namespace, devices: list[str], shape: Callable[[int], Any]) -> None:
    path, config = options.directory, shape(90)
    try:
        size = write_zeros(path, config, 10 * GB)
        records = write_records(path / "pictures", options.batch, config.vision_config.image_size)
        found = large(path, devices, records)
    finally:
        shutil.rmtree(path, ignore_errors=True)
    print(f"{size / GB:.1f} GB of zeros, float16; batch {options.batch}; torch {torch.__version__}")
    for name, result in found.items():
        print(f"- `{name}`: {result}")
    about = {"benchmark": "several_gpus --large", "environment": environment(devices[0])}
    write(options.out, {**about, "checkpoint bytes": size, "batch": options.batch, "large": found})


def main(
    arguments: Sequence[str] | None = None,
    shape: Callable[[int], Any] = of_7b,
    large_shape: Callable[[int], Any] = of_70b,
) -> None:
    options = options_of(arguments)
    path, devices = options.directory, options.devices.split(",")
    if path.exists():
        sys.exit(f"{path} is there already: give a directory to make.")
    if options.large:
        larger(options, devices, large_shape)
        return
    try:
        config = shape(options.layers)
        size = write_checkpoint(path, config, 5 * GB)
        records = write_records(path / "pictures", options.records, config.vision_config.image_size)
        found: dict[str, Any] = {
            "benchmark": "several_gpus", "layers": options.layers, "checkpoint bytes": size,
            "batch": options.batch, "environment": environment(devices[0]),
        }  # fmt: skip
        found["too large for one"] = too_large_for_one(path, devices, size)
        batch = records[: options.batch]
        found["side by side"] = side_by_side(path, devices, batch, options.repeats)
        freed(torch.device(devices[0]))
        kinds = kinds_of(len(devices)) if options.ray else {}
        found["actors"] = by_actors(path, records, devices[0], kinds, options.batch)
    finally:
        shutil.rmtree(path, ignore_errors=True)
    print(f"{options.layers} decoder layers, {size / GB:.1f} GB, float16; {options.devices}; torch "
          f"{torch.__version__}\n")  # fmt: skip
    print(as_markdown(found))
    write(options.out, found)


if __name__ == "__main__":
    main()
