"""Time calls against each other on a GPU or a CPU, and say on what."""

from __future__ import annotations

import gc
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

__all__ = [
    "Times",
    "allocated",
    "captured",
    "device_of",
    "environment",
    "freed",
    "in_turns",
    "peak",
    "synchronised",
    "table",
    "write",
]


@dataclass(frozen=True)
class Times:
    """Milliseconds of one call.

    Parameters
    ----------
    ms
        The median: between device events on a GPU, else of the wall clock.
    low, high
        Quartiles.
    wall_ms
        The median by the wall clock, from before the call until the device is done.
    repeats
        Calls that were counted.
    """

    ms: float
    low: float
    high: float
    wall_ms: float
    repeats: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def synchronised(device: torch.device | str) -> None:
    """Wait until the device is done."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def allocated(device: torch.device) -> int:
    """Bytes that tensors take on a GPU; 0 elsewhere."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def peak(call: Callable[[int], object], device: torch.device) -> int:
    """Bytes that a call takes on a GPU at most, beyond what is held before it; 0 elsewhere."""
    if device.type != "cuda":
        return 0
    before = allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call(0)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def freed(device: torch.device) -> None:
    """Give back what nothing holds any more, before the next model is made."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _once(
    call: Callable[[int], object], number: int, device: torch.device | str
) -> tuple[float, float]:
    """Milliseconds of a call: of the device, and of the wall clock."""
    synchronised(device)
    begun = time.perf_counter()
    if torch.device(device).type != "cuda":
        call(number)
        wall = (time.perf_counter() - begun) * 1e3
        return wall, wall
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    call(number)
    after.record()
    torch.cuda.synchronize(device)
    return before.elapsed_time(after), (time.perf_counter() - begun) * 1e3


def in_turns(
    sides: Mapping[str, Callable[[int], object]],
    *,
    device: torch.device | str,
    warm: int = 3,
    repeats: int = 30,
    seconds: float = 30,
) -> dict[str, Times]:
    """Time calls in turn, A B C A B C …, so that they share what the machine does meanwhile.

    Parameters
    ----------
    sides
        Calls by name, each told the number of its round, so that inputs can differ.
    device
        Where the work happens.
    warm
        Rounds that aren't counted.
    repeats
        Rounds that are counted.
    seconds
        Begin no further round after that long, once there are five.
    """
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(warm):
        for call in sides.values():
            call(number)
    begun = time.perf_counter()
    for number in range(repeats):
        if number >= 5 and time.perf_counter() - begun > seconds:
            break
        for name, call in sides.items():
            spent[name].append(_once(call, number, device))
    return {name: _times(values) for name, values in spent.items()}


def _times(values: Sequence[tuple[float, float]]) -> Times:
    device, wall = zip(*values, strict=True)
    quartiles = statistics.quantiles(device, n=4) if len(device) > 1 else [device[0]] * 3
    middle = statistics.median(device)
    return Times(middle, quartiles[0], quartiles[2], statistics.median(wall), len(device))


@torch.inference_mode()
def captured(
    call: Callable[[torch.Tensor], torch.Tensor], like: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Capture a call on one tensor as a CUDA graph; on another device give it back as it is."""
    if like.device.type != "cuda":
        return call
    taken = like.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call(taken)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        given = call(taken)

    def replayed(tensor: torch.Tensor, _owner: object = call) -> torch.Tensor:
        # Whoever owns the weights stays alive as long as the graph that reads them.
        taken.copy_(tensor)
        graph.replay()
        return given

    return replayed


def device_of(name: str) -> torch.device:
    """The device of that name; the GPU if there is one for ``auto``."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def environment(device: torch.device | str) -> dict[str, Any]:
    """What figures depend on besides the code."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "threads": torch.get_num_threads(),
        "device": str(device),
    }
    if torch.device(device).type == "cuda":
        about = torch.cuda.get_device_properties(device)
        found |= {
            "gpu": about.name,
            "gpu memory": about.total_memory,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return found


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay rows out as Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(path: Path | None, found: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all; nowhere without a path."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found, indent=1) + "\n")
    part.replace(path)
