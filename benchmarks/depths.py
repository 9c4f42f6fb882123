"""The paper's rule at several exit layers on the embedded tasks: scores and times, as Markdown.

    python benchmarks/depths.py --probe 500 --test 300 --out runs/depths.json [task …]

One line per task and way of answering: balanced accuracy with its 95 % interval, exit layer,
milliseconds per picture and the speed-up over generating an answer and over a one-token prefill,
all from one run on one machine. Without names it takes every embedded task.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from superneurons.cli.output import quiet
from superneurons.demo.tasks import TASKS, make_task
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison
from superneurons.evaluate.depths import compare_depths
from superneurons.vlm.opening import open_vlm

LEFT_OUT = ("majority class",)


def lines(task: str, found: Comparison) -> list[str]:
    made = []
    for row in found.rows:
        if row.scores is None or row.name in LEFT_OUT:
            continue
        low, high = row.scores.balanced_accuracy_interval
        cells = [
            task,
            row.name,
            f"{100 * row.scores.balanced_accuracy:.1f} ({100 * low:.1f}–{100 * high:.1f})",
            str(row.exit_layer or "–"),
            str(row.neurons or "–"),
            f"{row.timing.median:.0f}" if row.timing else "–",
            *(
                f"{ratio:.1f}" if (ratio := found.speed_up(row, over)) else "–"
                for over in (GENERATE, FIRST_TOKEN)
            ),
        ]
        made.append("| " + " | ".join(cells) + " |")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--probe", type=int, default=500)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--unseen", action="store_true", help="test on drawings never trained on")
    parser.add_argument("--generate", action="store_true", help="let the base model generate too")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/depths.json"))
    options = parser.parse_args()
    quiet()
    vlm = open_vlm("demo")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    everything = {}
    print("| task | way | balanced accuracy | exit | neurons | ms | × generate | × one token |")
    print("|---|---|---|---|---|---|---|---|")
    for task in options.tasks:
        sprites = "unseen" if options.unseen else "seen"
        probe = make_task(task, n=options.probe, split="probe", seed=options.seed)
        test = make_task(task, n=options.test, split="test", sprites=sprites, seed=options.seed)
        found, _ = compare_depths(
            vlm, probe, test, read_outs=("paper", "super-neurons"), generate=options.generate,
            batch_size=options.batch_size, seed=options.seed,
        )  # fmt: skip
        everything[task] = found.as_dict()
        options.out.write_text(json.dumps(everything, indent=1))
        print("\n".join(lines(task, found)), flush=True)
    print(f"written to {options.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
