"""The service under load, over HTTP on loopback, as Markdown.

    python benchmarks/serve_load.py --out runs/serve_load.json
    python benchmarks/serve_load.py --count 3000 --overload-seconds 10
    python benchmarks/serve_load.py --device cuda --shape 7b --max-batch 32

A tiny random model with a classifier of eight answers, so that the server is measured, not the
model; or the first layer of a random one of LLaVA-1.5-7B's shape, in float16 (``--shape 7b``). Each
picture has probabilities of its own, which the classifier gave it alone beforehand: an answer with
others was swapped. No cache, so that every request runs.

1. Two servers, batches of up to ``--max-batch`` and of 1, are asked in turns over the same
   connections: requests per second of each.
2. One after another over one connection, before and after the next phase: the p99 without load.
3. A server that promises ``--patience`` of what is allowed (twice the p99 before, and a batch's
   window) is asked at twice the rate that can be answered for ``--overload-seconds``: the p99 of
   what it accepts, what it says to the rest, and its memory second by second. Times count from when
   a request was due, so that a slow client shows.
4. Requests until there are ``--count`` in all; then SIGTERM in the middle of them: whatever was
   accepted has to be answered.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _gpu import environment, table, write
from _http import Tally, closed_loop, merged, open_loop, request_bytes
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.opening import open_vlm

QUESTION = "Which code is it?"
LABELS = tuple("abcdefgh")
NEAR = {"cpu": 2e-3, "elsewhere": 0.05}
"""Probabilities of a picture that shares its batch with others differ by about this at most; on a
GPU by more, where convolutions are in TF32, or all is in float16. Others' are 2.5 times as far."""
WINDOW_MS = 3.0
PHASE_COLUMNS = (
    "phase", "asked", "accepted / s", "p50, ms", "p99, ms", "max, ms", "swapped", "stolen",
    "statuses",
)  # fmt: skip


def pictures(n: int, seed: int = 0) -> list[Image.Image]:
    """Blocks of random colours: a code that survives resizing."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return [Image.fromarray(code).resize((32, 32), Image.Resampling.NEAREST) for code in codes]


def checkpoint(directory: Path, shape: str) -> Path:
    """A random model on disk."""
    if shape == "7b":
        from truncated_loading import GB, of_7b, write_checkpoint

        write_checkpoint(directory / "model", of_7b(2), 5 * GB)
        return directory / "model"
    from tiny_models import save_llava

    return save_llava(directory / "model")


def made(
    directory: Path, wanted: int, device: str = "cpu", shape: str = "tiny"
) -> tuple[Path, list[Image.Image], np.ndarray[Any, Any]]:
    """A model, a classifier on it, and pictures with their answers (N, C), all far from others."""
    vlm = open_vlm(str(checkpoint(directory, shape)), device=device)
    train = [
        Record((picture,), QUESTION, label=LABELS[i % len(LABELS)], id=f"{i}")
        for i, picture in enumerate(pictures(160, seed=1))
    ]
    classifier = SuperNeuronClassifier(vlm, max_layer=1 if shape == "7b" else 2).fit(train)
    classifier.save_pretrained(directory / "code")
    candidates = pictures(3 * wanted, seed=2)
    expected = classifier.predict_proba([Record((p,), QUESTION) for p in candidates])
    chosen, apart = list[int](), 2.5 * near_of(device)
    for index, own in enumerate(expected):
        if all(np.abs(own - expected[other]).max() > apart for other in chosen):
            chosen.append(index)
    chosen = chosen[:wanted]
    return directory / "code", [candidates[i] for i in chosen], expected[chosen]


def near_of(device: str) -> float:
    """How far an answer may be from the one beforehand."""
    return NEAR["cpu" if device == "cpu" else "elsewhere"]


def belongs(probabilities: Sequence[float], expected: Any, which: int, device: str) -> bool:
    """Whether an answer is that of a picture; on a GPU it may also be nearer to it than to others.

    With random weights of a large shape, pictures differ by few roundings of float16.
    """
    far = np.abs(expected - np.array(probabilities)).max(axis=1)
    return bool(far[which] < near_of(device) or (device != "cpu" and far.argmin() == which))


def requests_of(shown: Sequence[Image.Image]) -> list[bytes]:
    """A /classify request for each picture."""
    found = []
    for picture in shown:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        content = [{"type": "image_url", "image_url": {"url": url}}]
        body = {"model": "code", "messages": [{"role": "user", "content": content}]}
        found.append(request_bytes("/classify", body))
    return found


class Server:
    """``superneurons serve`` in a process of its own."""

    def __init__(self, classifier: Path, device: str = "cpu", **options: float) -> None:
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "superneurons", "serve", str(classifier), "--port=0",
             "--cache-mb=0", f"--window-ms={WINDOW_MS}", f"--device={device}", *flags],
            stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "SUPERNEURONS_VERIFY": "off"},
        )  # fmt: skip
        self.said: list[str] = []
        self.port = self._port()

    def _port(self) -> int:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if "http://" in line:
                return int(line.rsplit(":", 1)[1])
        raise SystemExit("The server did not start:\n" + "".join(self.said))

    def resident(self) -> float:
        """Its memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1e3

    def end(self) -> int:
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def running(load: Load, **options: float) -> Iterator[Server]:
    server = Server(load.classifier, load.device, **options)
    try:
        yield server
    finally:
        server.end()


class Load:
    """The requests, what is right about their answers, and what was found so far."""

    def __init__(
        self, classifier: Path, shown: Sequence[Image.Image], expected: Any,
        device: str = "cpu",
    ) -> None:  # fmt: skip
        self.device = device
        self.classifier, self.requests, self.expected = classifier, requests_of(shown), expected
        self.rows: list[list[object]] = []
        self.phases: dict[str, Any] = {}
        self.asked = self.wrong = 0

    def right(self, which: int, answer: Any) -> bool:
        """Whether an answer is that picture's, and no other's."""
        return belongs(answer["data"][0]["probs"], self.expected, which, self.device)

    def note(self, phase: str, tally: Tally) -> Tally:
        """Keep what a phase found."""
        found = tally.as_dict()
        self.phases[phase] = found
        self.asked += tally.asked
        self.wrong += tally.wrong
        self.rows.append([
            phase, tally.asked, found["accepted_per_s"], found["p50_ms"], found["p99_ms"],
            found["max_ms"], tally.wrong, found["stolen_share"], found["statuses"],
        ])  # fmt: skip
        return tally

    async def closed(self, server: Server, connections: int, count: int) -> Tally:
        """Ask so many, each connection its next one once it has an answer."""
        return await closed_loop(
            server.port, self.requests, self.right, connections=connections, count=count,
            start=self.asked,
        )  # fmt: skip


async def batched_and_not(load: Load, options: argparse.Namespace) -> tuple[float, float]:
    """Requests per second in batches and one at a time, the same requests in turns."""
    rates: dict[str, list[float]] = {"batches": [], "one at a time": []}
    with (
        running(load, max_batch=options.max_batch, max_wait_s=60, queue=1000) as many,
        running(load, max_batch=1, max_wait_s=60, queue=1000) as one,
    ):
        sides = {"batches": many, "one at a time": one}
        for name, server in sides.items():
            load.note(f"{name}, warm-up", await load.closed(server, 4, 40))
        for turn in range(options.turns):
            for name, server in sides.items():
                tally = await load.closed(server, options.connections, options.turn)
                load.note(f"{name}, turn {turn + 1}", tally)
                rates[name].append(tally.per_second)
    batches, single = (statistics.median(found) for found in rates.values())
    return batches, single


async def overloaded(load: Load, options: argparse.Namespace) -> dict[str, Any]:
    """The p99 at twice the rate that can be answered, without load before and after, and memory."""
    count, most = options.unloaded, options.max_batch
    with running(load, max_batch=most) as server:
        await load.closed(server, 1, 50)
        before = load.note("without load, before", await load.closed(server, 1, count))
        full = load.note("as fast as it goes", await load.closed(server, 16, options.turn))
        promised = max(1e-3, options.patience * allowed(before))
        held, tally = await at_twice_the_load(load, options, 2 * full.per_second, promised)
        after = load.note("without load, after", await load.closed(server, 1, count))
    quiet = merged(before, after)
    tail = held[len(held) // 4 :] or [0.0]
    refusals = {status: n for status, n in tally.statuses.items() if status != 200}
    return {
        "unloaded_p99_ms": quiet.quantile(0.99),
        "overload_p99_ms": tally.quantile(0.99),
        "allowed_p99_ms": 1e3 * allowed(quiet),
        "promised_ms": promised * 1e3,
        "in_time": sum(took <= promised for took in tally.seconds) / max(1, len(tally.seconds)),
        "possible_per_s": full.per_second,
        "accepted_per_s": tally.per_second,
        "refusals": {str(status): n for status, n in sorted(refusals.items())},
        "refusals_are_429_or_503": set(refusals) <= {429, 503},
        "resident_mb": [round(value, 1) for value in held],
        "growth_mb": round(max(tail) - tail[0], 1),
    }


def allowed(quiet: Tally) -> float:
    """Seconds: twice the p99 without load, and a batch's window."""
    return (2 * quiet.quantile(0.99) + WINDOW_MS) / 1e3


async def at_twice_the_load(
    load: Load, options: argparse.Namespace, rate: float, promised: float
) -> tuple[list[float], Tally]:
    """The memory of a server that promises so many seconds, second by second, and its answers."""
    held: list[float] = []
    seconds = options.overload_seconds
    with running(load, max_batch=options.max_batch, max_wait_s=promised) as server:
        await load.closed(server, 4, 200)
        tally = await open_loop(
            server.port, load.requests, load.right, rate=rate, seconds=seconds,
            connections=options.clients, each_second=lambda: held.append(server.resident()),
        )  # fmt: skip
    return held, load.note(f"{rate:.0f} / s for {seconds:g} s", tally)


async def the_rest(load: Load, options: argparse.Namespace) -> dict[str, Any]:
    """Requests until the count is reached, then SIGTERM while requests are under way."""
    with running(load, max_batch=options.max_batch, max_wait_s=60, queue=1000) as server:
        ending = min(2000, options.turn)
        left = max(0, options.count - load.asked - ending)
        tally = load.note("the rest", await load.closed(server, options.connections, left))
        asking = asyncio.create_task(load.closed(server, options.connections, ending))
        await asyncio.sleep(min(0.3, ending / max(1.0, tally.per_second) / 4))
        server.process.send_signal(signal.SIGTERM)
        ended = load.note("SIGTERM in the middle", await asking)
        code = await asyncio.to_thread(server.process.wait, 60)
        assert server.process.stderr is not None
        said = server.process.stderr.read()
    answered = int(next((w for w in said.split() if w.isdigit()), "0"))
    got = sum(
        load.phases[p]["statuses"].get("200", 0) for p in ("the rest", "SIGTERM in the middle")
    )
    return {
        "exit_code": code, "answered_by_the_server": answered, "answers_received": got,
        "statuses": {str(k): v for k, v in ended.statuses.items()},
    }  # fmt: skip


async def measured(load: Load, options: argparse.Namespace) -> dict[str, Any]:
    """All phases, written after each."""
    found: dict[str, Any] = {
        "benchmark": "serve_load", "environment": environment(load.device), "phases": load.phases,
        "options": {k: str(v) for k, v in vars(options).items()},
    }  # fmt: skip
    batches, single = await batched_and_not(load, options)
    found["batching"] = {"batches": batches, "one": single, "ratio": batches / single}
    write(options.out, found)
    found["overload"] = await overloaded(load, options)
    write(options.out, found)
    found["ending"] = await the_rest(load, options)
    found["asked"], found["swapped"] = load.asked, load.wrong
    write(options.out, found)
    return found


def shown(found: dict[str, Any], load: Load) -> str:
    """What a reader wants to know first."""
    over, ending, batching = found["overload"], found["ending"], found["batching"]
    lost = ending["answered_by_the_server"] - ending["answers_received"]
    return "\n".join([
        table(PHASE_COLUMNS, load.rows),
        "",
        f"- {found['asked']:,} requests of {len(load.requests)} pictures, {found['swapped']} "
        "swapped answers.",
        f"- Batches: {batching['batches']:.0f} / s, one at a time: {batching['one']:.0f} / s "
        f"({batching['ratio']:.2f}×).",
        f"- At twice the load: p99 of accepted {over['overload_p99_ms']:.1f} ms; without load "
        f"{over['unloaded_p99_ms']:.1f} ms (twice that and the window: "
        f"{over['allowed_p99_ms']:.1f} ms). {over['accepted_per_s']:.0f} of "
        f"{over['possible_per_s']:.0f} / s were accepted, {100 * over['in_time']:.1f} % of them "
        f"answered within the {over['promised_ms']:.0f} ms promised. Refusals: "
        f"{over['refusals']}. Memory grew by {over['growth_mb']} MB after the first quarter.",
        f"- SIGTERM: exit code {ending['exit_code']}, {lost} accepted requests lost.",
    ])  # fmt: skip


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=("tiny", "7b"), default="tiny")
    parser.add_argument("--count", type=int, default=100_000, help="requests in all")
    parser.add_argument("--overload-seconds", type=float, default=60)
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--max-batch", type=int, default=16)
    parser.add_argument("--connections", type=int, default=32, help="that ask at a time")
    parser.add_argument("--clients", type=int, default=256, help="connections under overload")
    parser.add_argument("--turn", type=int, default=2000, help="requests per measurement")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--unloaded", type=int, default=1000)
    parser.add_argument("--patience", type=float, default=0.75)
    parser.add_argument("--out", type=Path)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        model = (options.device, options.shape)
        load = Load(
            *made(Path(directory), options.pictures, *model),
            device=options.device,
        )  # fmt: skip
        found = asyncio.run(measured(load, options))
    found["seconds"] = round(time.perf_counter() - begun, 1)
    write(options.out, found)
    print(shown(found, load))
    return 0 if not found["swapped"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
