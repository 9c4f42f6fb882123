"""What the benchmarks of exits share: both sides of a comparison, and how far they agree."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from _gpu import (
    Times,
    allocated,
    device_of,
    environment,
    in_turns,
    peak,
    synchronised,
    write,
)
from _shapes import SHAPES, Shape, build, llava_processor, random_inputs

from superneurons.activations.site import Site
from superneurons.errors import SuperNeuronsError
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.model import VLM, Inputs

__all__ = [
    "ACCELERATIONS",
    "DIFFERENT",
    "GENERATE",
    "PREFILL",
    "LinearReadOut",
    "Opened",
    "Report",
    "answering",
    "cut",
    "generated",
    "line",
    "model_of",
    "neurons",
    "open_all",
    "options_of",
    "prefilled",
    "timed",
]

ACCELERATIONS = ("off", "lean", "graphs", "compiled", "fp8")
GENERATE, PREFILL = "HF generate(1)", "HF prefill"
DIFFERENT = 4  # batches that rounds take in turn
YES, NO = 11, 12  # any two tokens: the words don't matter here

# Every exit and every batch size is a compilation of the same function.
torch._dynamo.config.recompile_limit = 256

Answer = Callable[[Inputs], list[str]]


class LinearReadOut:
    """A random read-out of K activations, with the label on the host.

    Parameters
    ----------
    n
        K.
    device
        Where the activations are.
    """

    def __init__(self, n: int, device: torch.device | str) -> None:
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.randn(n, generator=generator).to(device)
        self.threshold = 0.0

    def decisions(self, activations: torch.Tensor) -> torch.Tensor:
        """Decision values (B,) float32."""
        return activations.float() @ self.weights

    def labels(self, activations: torch.Tensor) -> list[str]:
        """Labels on the host."""
        above = self.decisions(activations) > self.threshold
        return ["yes" if yes else "no" for yes in above.tolist()]


def neurons(vlm: VLM, depth: int, n: int, *, seed: int = 0) -> tuple[list[int], list[int]]:
    """Draw neurons of the residual stream up to a layer, which one of them is of.

    Returns
    -------
    list of int, list of int
        Layers from 1, and places from 0.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(depth * vlm.hidden_size, generator=generator)[:n].sort().values
    layers, columns = (drawn // vlm.hidden_size + 1).tolist(), (drawn % vlm.hidden_size).tolist()
    layers[-1] = depth
    return layers, columns


@torch.inference_mode()
def _as_words(logits: torch.Tensor) -> list[str]:
    return ["yes" if yes else "no" for yes in (logits[:, YES] > logits[:, NO]).tolist()]


def generated(vlm: VLM) -> Answer:
    """One token, as ``transformers`` generates it."""

    @torch.inference_mode()
    def answer(inputs: Inputs) -> list[str]:
        tokens = vlm.model.generate(
            **inputs.tensors, max_new_tokens=1, do_sample=False, pad_token_id=0
        )
        return ["yes" if token == YES else "no" for token in tokens[:, -1].tolist()]

    return answer


def prefilled(vlm: VLM) -> Answer:
    """One forward pass of ``transformers``, with logits of the last position only."""

    @torch.inference_mode()
    def answer(inputs: Inputs) -> list[str]:
        return _as_words(vlm.model(**inputs.tensors, logits_to_keep=1).logits[:, -1])

    return answer


def cut(vlm: VLM, depth: int) -> Answer:
    """The model of ``transformers`` with fewer layers: what is to be had without more ado."""
    trunk = vlm.truncated(depth).model.get_submodule("model")
    read_out = LinearReadOut(vlm.hidden_size, vlm.device)

    @torch.inference_mode()
    def answer(inputs: Inputs) -> list[str]:
        hidden = trunk(**inputs.tensors, use_cache=False).last_hidden_state
        return read_out.labels(hidden[:, -1])

    return answer


@dataclass(frozen=True)
class Opened:
    """One way to exit early, ready.

    Parameters
    ----------
    way
        The acceleration asked for.
    exit
        What runs.
    seconds
        From asking for it until its first answer.
    held
        Bytes on the device that it took and keeps; 0 on a CPU.
    """

    way: str
    exit: EarlyExit
    seconds: float
    held: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "way": self.way, "ran": self.exit.path, "reason": self.exit.reason,
            "seconds to the first answer": self.seconds, "bytes held": self.held,
        }  # fmt: skip


def open_all(
    vlm: VLM,
    layers: Sequence[int],
    columns: Sequence[int],
    ways: Sequence[str],
    first: Sequence[Inputs],
    *,
    site: Site | None = None,
) -> tuple[list[Opened], list[dict[str, Any]]]:
    """Open every way to exit, each answering the ``first`` batches once.

    Returns
    -------
    list of Opened, list of dict
        Those that run, each path once, and why the others don't.
    """
    ready: list[Opened] = []
    failed: list[dict[str, Any]] = []
    site = site or Site()
    for way in ways:
        before, begun = allocated(vlm.device), time.perf_counter()
        try:
            exit_ = EarlyExit(
                vlm, layers, columns, kind=site.kind, position=site.position, acceleration=way
            )
            for inputs in first:
                exit_(inputs)
            synchronised(vlm.device)
        except (SuperNeuronsError, RuntimeError, NotImplementedError) as error:
            failed.append(
                {"way": way, "kind": str(site), "reason": f"{type(error).__name__}: {error}"}
            )
            continue
        spent = time.perf_counter() - begun
        if exit_.path != way and exit_.path in {other.exit.path for other in ready}:
            reason = exit_.reason or "nothing faster"
            failed.append({"way": way, "kind": str(site), "reason": f"{exit_.path} runs: {reason}"})
            continue
        ready.append(Opened(way, exit_, spent, allocated(vlm.device) - before))
    return ready, failed


def answering(opened: Opened) -> Answer:
    """An exit with a random linear read-out."""
    read_out = LinearReadOut(len(opened.exit.columns), opened.exit.columns.device)
    return lambda inputs: read_out.labels(opened.exit(inputs))


@torch.inference_mode()
def timed(
    sides: Mapping[Any, Answer],
    vlm: VLM,
    shape: Shape,
    batch: int,
    options: argparse.Namespace,
    *,
    shapes: Mapping[Any, Shape] | None = None,
) -> tuple[dict[Any, Times], dict[Any, int]]:
    """Time sides in turn on the same random batches; then say what memory each takes at most.

    Some of them may see pictures of another shape.
    """
    rings: dict[str, list[Inputs]] = {}
    calls = {}
    for name, side in sides.items():
        seen = (shapes or {}).get(name, shape)
        key = f"{seen.height} × {seen.width}"
        if key not in rings:
            rings[key] = [random_inputs(vlm, seen, batch, seed=n) for n in range(DIFFERENT)]
        calls[name] = _in_ring(side, rings[key])
    times = in_turns(
        calls, device=vlm.device, warm=options.warm, repeats=options.repeats,
        seconds=options.seconds,
    )  # fmt: skip
    return times, {name: peak(call, vlm.device) for name, call in calls.items()}


def _in_ring(side: Answer, ring: Sequence[Inputs]) -> Callable[[int], object]:
    return lambda number: side(ring[number % len(ring)])


def line(name: str, times: Times, bases: Mapping[str, Times], **more: Any) -> dict[str, Any]:
    """One row: what was timed, and how many times faster it is than each base."""
    ratios = {f"x {base}": other.ms / times.ms for base, other in bases.items()}
    return {"side": name, **more, **times.as_dict(), **ratios}


class Report:
    """What a run has found so far, written after every part: a run cut short leaves that.

    Parameters
    ----------
    name
        Of the benchmark.
    options
        Of the command.
    device
        What it runs on.
    """

    def __init__(self, name: str, options: argparse.Namespace, device: torch.device) -> None:
        plain = json.loads(json.dumps(vars(options), default=str))
        self.path: Path | None = options.out
        self.found: dict[str, Any] = {
            "benchmark": name, "options": plain, "environment": environment(device),
        }  # fmt: skip

    def add(self, part: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to a part and write everything."""
        self.found.setdefault(part, []).extend(rows)
        write(self.path, self.found)

    def failures(self) -> None:
        """Print what did not run, and why, each once."""
        rows = self.found.get("not run", [])
        for said in dict.fromkeys(f"- {r['way']} ({r['kind']}): {r['reason']}" for r in rows):
            print(said)


def options_of(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    *,
    batches: Sequence[int],
    agree: int = 1000,
) -> argparse.Namespace:
    """Add the options that all of them have, and parse."""
    parser.add_argument("--device", type=device_of, default="auto")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="bfloat16")
    parser.add_argument("--batches", type=int, nargs="+", default=list(batches))
    parser.add_argument("--accelerations", nargs="+", choices=ACCELERATIONS, default=ACCELERATIONS)
    parser.add_argument("--neurons", type=int, default=1000, help="activations that are read")
    parser.add_argument("--warm", type=int, default=3, help="rounds that aren't counted")
    parser.add_argument("--repeats", type=int, default=30, help="rounds that are counted")
    parser.add_argument("--seconds", type=float, default=12, help="then no further round begins")
    parser.add_argument("--only", nargs="+", choices=("time", "agree"), default=("time", "agree"))
    parser.add_argument("--agree", type=int, default=agree, help="records for the agreement")
    parser.add_argument("--agree-batch", type=int, default=8)
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args(arguments)
    if options.dtype == "float32":
        torch.backends.cudnn.allow_tf32 = False  # else convolutions are not in float32
    return options


def model_of(
    name: str, options: argparse.Namespace, *, layers: int | None = None
) -> tuple[VLM, Shape]:
    """Make the model, with fewer decoder layers where the others never run."""
    shape = SHAPES[name] if layers is None else SHAPES[name].with_layers(layers)
    llava = shape.config.model_type == "llava"
    processor = llava_processor(shape.config) if llava else None
    dtype = getattr(torch, options.dtype)
    return build(shape, device=options.device, dtype=dtype, processor=processor), shape
