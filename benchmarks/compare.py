"""All read-outs beside all that they have to beat, on the embedded tasks, as Markdown.

    python benchmarks/compare.py --probe 500 --test 1000 --jobs 6 --device cuda [task …]

What `superneurons compare --task` measures, for many tasks: a line per task with the balanced
accuracy (95 % interval) of the base model, raw and calibrated, and of every read-out, then the
recommendations. The JSON holds all rows of all tasks. Nothing is timed, since tasks run side by
side with --jobs: the recommendations go by accuracy and by what is simplest.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from superneurons.cli.output import quiet
from superneurons.demo.tasks import TASKS, make_task
from superneurons.evaluate.compare import compare
from superneurons.evaluate.comparison import FIRST_TOKEN
from superneurons.vlm.opening import open_vlm

COLUMNS = (
    ("base model", FIRST_TOKEN),
    ("calibrated", "calibrated logits"),
    ("lens, calibrated", "logit lens, calibrated"),
    ("paper's rule", "Super Neurons, paper's rule"),
    ("improved", "Super Neurons, improved"),
    ("all layers", "Super Neurons, improved, all layers"),
    ("MLPs", "Super Neurons of the MLPs"),
    ("heads", "Super Neurons of the heads"),
    ("per option", "Super Neurons, improved, per option"),
    ("SAVs", "SAVs, as published"),
    ("SAVs, better", "SAVs, leave-one-out and soft"),
    ("logistic", "logistic probe, best layer"),
    ("k-NN", "nearest neighbours, best layer"),
    ("vision-only", "vision-only Super Neurons"),
)


def run(task: str, options: argparse.Namespace) -> dict[str, Any]:
    """Compare on one task, in a process of its own."""
    quiet()
    vlm = open_vlm("demo", device=options.device)
    sprites = "unseen" if options.unseen else "seen"
    found = compare(
        vlm,
        make_task(task, n=options.probe, split="probe", sprites=sprites, seed=options.seed),
        make_task(task, n=options.test, split="test", sprites=sprites, seed=options.seed),
        generate=False, batch_size=options.batch_size, repeats=0, seed=options.seed,
    )  # fmt: skip
    print(f"{task} done", file=sys.stderr, flush=True)
    return {"task": task, **found.as_dict()}


def cells(found: dict[str, Any], names: Sequence[str]) -> list[str]:
    rows = {row["name"]: row["scores"] for row in found["rows"]}
    cells = []
    for name in names:
        scores = rows.get(name)
        if scores is None:
            cells.append("–")
            continue
        low, high = scores["balanced_accuracy_interval"]
        cells.append(f"{100 * scores['balanced_accuracy']:.1f} ({100 * low:.0f}–{100 * high:.0f})")
    return cells


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--probe", type=int, default=300)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--unseen", action="store_true", help="drawings never trained on")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/compare.json"))
    options = parser.parse_args(arguments)
    names = [name for _, name in COLUMNS]
    print("| task | " + " | ".join(short for short, _ in COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = []
    results = Parallel(n_jobs=options.jobs, return_as="generator")(
        delayed(run)(task, options) for task in options.tasks
    )
    for found in results:
        done.append(found)
        options.out.write_text(json.dumps(done, indent=1) + "\n")
        print(f"| {found['task']} | " + " | ".join(cells(found, names)) + " |", flush=True)
    for found in done:
        print(f"- {found['task']}: {found['recommendation']['sentence']}")


if __name__ == "__main__":
    main()
