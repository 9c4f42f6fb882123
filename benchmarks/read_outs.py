"""Speed and memory of finding neurons at the size of a 7 B model, as Markdown.

    python benchmarks/read_outs.py --device cuda --out runs/read_outs.json

Made-up activations (3,000 samples, 131,072 neurons, float16) in a memory-mapped file; on a GPU, a
tensor there, given to the same functions. Each is measured in turns with the straightforward way
to do the same, after a round that isn't counted, and has to give the same result. Its memory is
that of a process of its own (Linux), beyond what the input takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.evaluate.null import shuffled_maximum
from superneurons.probes.arrays import Activations, as_tensor, check_finite
from superneurons.probes.scores import neuron_scores
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.probes.thresholds import Cuts, best_cuts

SHUFFLES = 200
INFORMATIVE_EACH = 64
ROWS_AT_ONCE = 100
MIB = 2**20

TASKS: dict[str, Callable[[Activations, NDArray[np.bool_]], Any]] = {
    "sign rule": neuron_scores,
    "best thresholds": best_cuts,
    f"{SHUFFLES} shuffles": lambda X, y: shuffled_maximum(X, y, SHUFFLES),
}


def labels(n: int) -> NDArray[np.bool_]:
    return np.arange(n) % 2 == 0


def write_activations(path: Path, n: int, p: int, seed: int = 0) -> NDArray[Any]:
    """Noise around a mean of its own for each neuron; every 64th knows the answer, more or less."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=p).astype(np.float32)
    strength = np.where(np.arange(p) % INFORMATIVE_EACH, 0, rng.normal(size=p)).astype(np.float32)
    side = np.where(labels(n), 1, -1).astype(np.float32)
    X = np.lib.format.open_memmap(path, "w+", np.float16, (n, p))
    for start in range(0, n, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        noise = rng.standard_normal(X[rows].shape, dtype=np.float32)
        X[rows] = noise + mean + side[rows, None] * strength
    X.flush()
    return np.load(path, mmap_mode="r")


def plain_scores(X: Activations, y: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compare all at once, and count."""
    tensor = as_tensor(X)
    right = (tensor > 0) == torch.from_numpy(y).to(tensor.device)[:, None]
    # Divided on the CPU: a GPU multiplies by the reciprocal, which can differ in the last bit.
    return right.sum(dim=0).cpu().double().div(len(y)).numpy()


def sorted_scores(X: Activations, y: NDArray[np.bool_], chunk: int = 1024) -> NDArray[np.float64]:
    """Sort each neuron, take running sums of the labels: the best accuracy of any cut, signed.

    float32, rows first and neurons along the last axis: the fastest of the ways to call
    ``torch.sort`` on a CPU.
    """
    tensor = as_tensor(X)
    positive = torch.from_numpy(y).to(tensor.device)
    found = []
    for start in range(0, tensor.shape[1], chunk):
        block = tensor[:, start : start + chunk].float()
        values, order = block.T.contiguous().sort(dim=1)
        # "Yes" above the first j samples, less "yes" above none: what is won and lost.
        won = (1 - 2 * positive[order].int()).cumsum(dim=1, dtype=torch.int32)
        won[:, :-1] *= values[:, 1:] != values[:, :-1]
        right = won + positive.sum()
        best = torch.maximum(right.amax(dim=1), len(y) - right.amin(dim=1))
        found.append(best.cpu().double().div(len(y)).numpy())
    return np.concatenate(found)


def as_good_as_it_says(X: Activations, y: NDArray[np.bool_], cuts: Cuts, chunk: int = 2048) -> bool:
    """Whether the cuts, applied to the activations, get the scores they come with."""
    tensor = as_tensor(X)
    thresholds, signs = torch.from_numpy(cuts.thresholds), torch.from_numpy(cuts.polarities)
    positive = torch.from_numpy(y)[:, None]
    for start in range(0, tensor.shape[1], chunk):
        some = slice(start, start + chunk)
        beyond = signs[some] * (tensor[:, some].cpu().double() - thresholds[some]) > 0
        share = (beyond == positive).sum(dim=0).double() / len(y)
        if not np.array_equal(share.numpy(), cuts.scores[some]):
            return False
    return True


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal, value by value; thresholds too where both have them."""
    if isinstance(one, Cuts) and isinstance(other, Cuts):
        return all(np.array_equal(getattr(one, f), getattr(other, f)) for f in vars(one))
    pair = [found.scores if isinstance(found, Cuts) else found for found in (one, other)]
    return np.array_equal(*pair)


def in_turns(sides: Mapping[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, float], dict]:
    """Median seconds of each side, measured in turns after a round to warm up; its result."""
    results = {name: call() for name, call in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            begun = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begun)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}, results


def device_memory(X: torch.Tensor, y: NDArray[np.bool_], name: str) -> int:
    """Bytes on the GPU that a call needs beyond what is there already."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    TASKS[name](X, y)
    return torch.cuda.max_memory_allocated() - before


def process_memory(path: Path, name: str) -> int:
    """Bytes that a call needs beyond its input, in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", name, "--data", str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_memory(path: Path, name: str) -> None:
    X = np.load(path, mmap_mode="r")
    check_finite(X)  # by now the whole input is resident and counted
    with suppress(OSError):  # not every kernel has it; then earlier peaks hide smaller ones
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = peak_memory()
    TASKS[name](X, labels(len(X)))
    print(peak_memory() - before)


def peak_memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def rivals(name: str) -> dict[str, Callable[[Activations, NDArray[np.bool_]], Any]]:
    if name == "sign rule":
        return {"compared all at once": plain_scores}
    if name == "best thresholds":
        return {"torch.sort": sorted_scores}
    return {}


def measured(path: Path, name: str, device: str, rounds: int) -> list[dict[str, Any]]:
    """One line for each thing that ``name`` is measured beside."""
    mapped = np.load(path, mmap_mode="r")
    X = mapped if device == "cpu" else torch.from_numpy(mapped.copy()).to(device)
    y = labels(len(mapped))
    sides: dict[str, Callable[[], Any]] = {name: lambda: TASKS[name](X, y)}
    for rival, function in rivals(name).items():
        sides[rival] = lambda function=function: function(X, y)
    if device != "cpu":
        sides["on the CPU"] = lambda: TASKS[name](mapped, y)
    seconds, results = in_turns(sides, rounds)
    found = results[name]
    if isinstance(found, Cuts):
        assert as_good_as_it_says(mapped, y, found)
    memory = process_memory(path, name) if device == "cpu" else device_memory(X, y, name)
    line = {"what": name, "seconds": seconds[name], "bytes": memory}
    return [
        {**line, "beside": rival, "beside seconds": seconds[rival], "same": same(found, result)}
        for rival, result in results.items()
        if rival != name
    ] or [line]


def fitted(n: int, p: int, rounds: int) -> dict[str, Any]:
    """How long Super Neurons take to be found and weighed; always on the CPU."""
    with tempfile.TemporaryDirectory() as directory:
        X = np.array(write_activations(Path(directory) / "x.npy", n, p))
    seconds, _ = in_turns({"fit": lambda: SuperNeurons().fit(X, labels(n))}, rounds)
    return {"what": f"SuperNeurons.fit, {n:,} × {p:,}", "seconds": seconds["fit"]}


def as_markdown(line: Mapping[str, Any]) -> str:
    beside = line.get("beside seconds")
    cells = [
        line["what"],
        f"{line['seconds']:.3g}",
        f"{line['bytes'] / MIB:,.0f}" if "bytes" in line else "–",
        line.get("beside", "–"),
        f"{beside:.3g}" if beside else "–",
        f"{beside / line['seconds']:.1f}" if beside else "–",
        {True: "yes", False: "NO"}.get(line.get("same"), "–"),
    ]
    return "| " + " | ".join(cells) + " |"


def name_of(device: str) -> str:
    if device == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name(device)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--neurons", type=int, default=131_072)
    parser.add_argument("--fit-samples", type=int, default=1000)
    parser.add_argument("--fit-neurons", type=int, default=17_280)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="JSON too")
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--memory-of", choices=TASKS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def report(options: argparse.Namespace) -> list[dict[str, Any]]:
    n, p = options.samples, options.neurons
    print(f"{n:,} samples, {p:,} neurons, float16; {name_of(options.device)}; torch "
          f"{torch.__version__}; medians of {options.rounds} rounds in turns\n")  # fmt: skip
    print("| what | s | MiB beyond the input | beside | s | × | same result |")
    print("|---|---|---|---|---|---|---|")
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "activations.npy"
        write_activations(path, n, p)
        for name in TASKS:
            for line in measured(path, name, options.device, options.rounds):
                lines.append(line)
                print(as_markdown(line), flush=True)
    lines.append(fitted(options.fit_samples, options.fit_neurons, options.rounds))
    print(as_markdown(lines[-1]))
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    if options.memory_of:
        print_memory(options.data, options.memory_of)
        return
    lines = report(options)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"device": name_of(options.device), "lines": lines}))
    if not all(line.get("same", True) for line in lines):
        sys.exit("Results differ.")


if __name__ == "__main__":
    main()
