"""Super Neurons beside LoRA fine-tuning on the same records, on the embedded tasks.

    python benchmarks/lora_rival.py --device cuda --tasks dark counting --sizes 50 100 500 \
        --seeds 0 1 2 --rates 1e-4 3e-4 1e-3 --out runs/lora.json

What `superneurons lora --task` measures, for several tasks and seeds. A line per task and size with
means over the seeds: balanced accuracy of the base model (raw, calibrated), of both read-outs and
of LoRA (raw, calibrated), how far the improved read-out is ahead of the LoRA row that does better
on the test records, seconds and MiB that learning takes, and milliseconds of an answer. JSON and
Markdown (beside it, as .md) are written after each task and seed; the JSON holds all of it, with
intervals. A seed draws the records, the adapters, their order and every split.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from _gpu import device_of, environment, table, write

from superneurons.cli.output import quiet
from superneurons.demo.tasks import TASKS, make_task
from superneurons.errors import SuperNeuronsError
from superneurons.evaluate.comparison import FIRST_TOKEN
from superneurons.evaluate.entrants import CALIBRATED
from superneurons.evaluate.lora import LORA, compare_lora
from superneurons.evaluate.lora_training import LoraSettings
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm

OURS = "Super Neurons, improved"
NAMES = {
    "base": FIRST_TOKEN, "calibrated": CALIBRATED, "paper": "Super Neurons, paper's rule",
    "improved": OURS, "LoRA": LORA[False], "LoRA, calibrated": LORA[True],
}  # fmt: skip
COLUMNS = (
    "task", "records", "seeds", *NAMES, "improved − better LoRA (least, most)",
    "s: improved", "s: LoRA", "MiB: improved", "MiB: LoRA", "ms: base", "ms: LoRA", "ms: improved",
)  # fmt: skip
MIB = 2**20


def run(vlm: VLM, task: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Everything of one task and seed."""
    settings = LoraSettings(
        rank=options.rank, alpha=2.0 * options.rank, rates=tuple(options.rates),
        epochs=options.epochs, steps=options.steps, batch_size=options.train_batch,
    )  # fmt: skip
    found = compare_lora(
        vlm,
        make_task(task, n=max(options.sizes), split="probe", seed=seed),
        make_task(task, n=options.test, split="test", seed=seed),
        settings=settings, sizes=options.sizes, batch_size=options.batch_size,
        repeats=options.repeats, seed=seed,
    )  # fmt: skip
    return {"task": task, "seed": seed, "sizes": [rival.as_dict() for rival in found]}


def line(task: str, rivals: Sequence[Mapping[str, Any]]) -> list[str]:
    """Means of one task and size over its seeds."""
    cells = [task, str(rivals[0]["n_probe"]), str(len(rivals))]
    rows = [{row["name"]: row for row in rival["rows"]} for rival in rivals]
    cells += [shown(100 * balanced(of, name) for of in rows) for name in NAMES.values()]
    leads = [
        100 * (balanced(of, OURS) - max(balanced(of, name) for name in LORA.values()))
        for of in rows
    ]
    cells.append(f"{statistics.mean(leads):+.1f} ({min(leads):+.1f}, {max(leads):+.1f})")
    for key, scale in (("seconds", 1), ("peak_bytes", MIB)):
        for name in (OURS, LORA[False]):
            cells.append(shown(spent(rival, name, key, scale) for rival in rivals))
    for name in (FIRST_TOKEN, LORA[False], OURS):
        cells.append(shown(of[name]["ms"] and of[name]["ms"]["median"] for of in rows))
    return cells


def balanced(rows: Mapping[str, Any], name: str) -> float:
    return float(rows[name]["scores"]["balanced_accuracy"])


def spent(rival: Mapping[str, Any], name: str, key: str, scale: int) -> float | None:
    value = rival["learning"][name][key]
    return None if value is None else value / scale


def shown(values: Iterable[float | None]) -> str:
    """The mean, where there is one."""
    given = list(values)
    return "–" if None in given else f"{statistics.mean(given):.1f}"  # type: ignore[type-var]


def as_markdown(done: Sequence[Mapping[str, Any]]) -> str:
    """A line for each task and size, over the seeds that are done."""
    lines = []
    for task in dict.fromkeys(found["task"] for found in done):
        own = [found["sizes"] for found in done if found["task"] == task]
        lines += [line(task, of_size) for of_size in zip(*own, strict=True)]
    return table(COLUMNS, lines)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", nargs="+", default=["dark"], choices=sorted(TASKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[50, 100, 500])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--rates", nargs="+", type=float, default=[1e-4, 3e-4, 1e-3])
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, help="instead of epochs")
    parser.add_argument("--train-batch", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=20, help="rounds of the timing")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("runs/lora.json"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    quiet()
    device = device_of(options.device)
    vlm = open_vlm(options.model, device=str(device))
    about = {**environment(device), "model": vlm.name, "dtype": str(vlm.dtype)}
    done: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for task, seed in product(options.tasks, options.seeds):
        try:
            done.append(run(vlm, task, seed, options))
        except SuperNeuronsError as error:  # such as labels that start alike: on with the next
            refused.append({"task": task, "seed": seed, "why": str(error)})
            print(f"{task}, seed {seed}: {error}", file=sys.stderr, flush=True)
        write(options.out, {"about": about, "done": done, "refused": refused})
        options.out.with_suffix(".md").write_text(as_markdown(done) + "\n")
        print(f"{task}, seed {seed} is over", file=sys.stderr, flush=True)
    print(as_markdown(done))


if __name__ == "__main__":
    main()
