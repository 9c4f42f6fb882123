"""The engine without HTTP: batches against one job at a time, as Markdown.

    python benchmarks/serve_batching.py --out runs/serve_batching.json
    python benchmarks/serve_batching.py --device cuda --shape 7b --max-batch 32

A random model of ``serve_load.py``; as many threads as ``--clients`` each ask their next picture
once they have an answer. Engines with batches of up to 1, 4 and ``--max-batch`` are asked in turns
in one run, without a cache. One more prepares whatever waits while the model runs, where the others
prepare full batches only. One remembers answers and is asked the same pictures. Every answer is
compared with what the classifier gave that picture before.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from _gpu import environment, table, write
from PIL import Image
from serve_load import belongs, made

from superneurons.serve import engine as serving
from superneurons.serve.batching import Ticket, Waiting
from superneurons.serve.engine import ModelEngine
from superneurons.serve.jobs import Job
from superneurons.serve.loading import load_served
from superneurons.serve.settings import EngineSettings

COLUMNS = ("engine", "jobs / s", "× one at a time", "jobs per batch", "p50, ms", "p99, ms", "wrong")


def asked(
    engine: ModelEngine,
    shown: Sequence[Image.Image],
    expected: Any,
    clients: int,
    count: int,
    device: str,
) -> tuple[float, list[float], int]:
    """Jobs per second, milliseconds of each, and how many answers were another's."""
    numbers, lock = iter(range(count)), threading.Lock()
    took: list[float] = []
    wrong = [0]

    def client() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            which, begun = number % len(shown), time.perf_counter()
            answer = engine.submit(Job((shown[which],), "code")).result()
            own = list(answer.probabilities.values())
            with lock:
                took.append(1e3 * (time.perf_counter() - begun))
                wrong[0] += not belongs(own, expected, which, device)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - begun), took, wrong[0]


class Hasty(Waiting):
    """Hands out whatever waits while the model is busy."""

    def _left(self, batch: Sequence[Ticket], idle: Callable[[], bool]) -> float | None:
        return 0.0 if batch and not idle() else super()._left(batch, idle)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=("tiny", "7b"), default="tiny")
    parser.add_argument("--max-batch", type=int, default=16)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--count", type=int, default=2000, help="jobs per measurement")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        model = (options.device, options.shape)
        directory, shown, expected = made(Path(place), options.pictures, *model)
        served = load_served([directory], device=options.device)
        limits: dict[str, Any] = {"max_wait": 60.0, "max_queue": 1000}
        engines = {
            f"batches of {size}": ModelEngine(
                served, EngineSettings(max_batch=size, cache_bytes=0, **limits)
            )
            for size in (1, 4, options.max_batch)
        }
        most = f"batches of {options.max_batch}"
        limits["max_batch"] = options.max_batch
        with patch.object(serving, "Waiting", Hasty):
            settings = EngineSettings(cache_bytes=0, **limits)
            engines[f"{most}, smaller ones ahead, too"] = ModelEngine(served, settings)
        engines[f"{most}, remembering"] = ModelEngine(served, EngineSettings(**limits))
        found: dict[str, list[tuple[float, list[float], int]]] = {name: [] for name in engines}
        for _ in range(options.turns):
            for name, engine in engines.items():
                found[name].append(
                    asked(engine, shown, expected, options.clients, options.count, options.device)
                )
        rows, one = [], statistics.median(rate for rate, _, _ in found["batches of 1"])
        for name, engine in engines.items():
            rate = statistics.median(rate for rate, _, _ in found[name])
            took = sorted(ms for _, each, _ in found[name] for ms in each)
            state = engine.state()
            rows.append({
                "engine": name, "per_second": round(rate, 1), "ratio": round(rate / one, 2),
                "per_batch": round(state["questions"] / max(1, state["batches"]), 1),
                "p50_ms": round(took[len(took) // 2], 2),
                "p99_ms": round(took[int(0.99 * len(took))], 2),
                "wrong": sum(wrong for _, _, wrong in found[name]),
            })  # fmt: skip
            engine.drain(10)
    write(options.out, {
        "benchmark": "serve_batching", "environment": environment(options.device), "rows": rows,
        "options": {k: str(v) for k, v in vars(options).items()},
    })  # fmt: skip
    print(table(COLUMNS, [list(row.values()) for row in rows]))
    return int(any(row["wrong"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
