"""What amplification costs: passes with an open and a closed gate, as ratios to a plain pass.

    python benchmarks/amplify_cost.py --rounds 60 [--model demo] [--device cuda] [--out FILE]

One run takes all of them in turn, in an order drawn anew each round, and compares each pass with
the plain one of its own round; the median ratio is told with its 95 % bootstrap interval. `again`
is a second plain pass: what it differs from 1 by is noise. `unsure` is all that a gate costs for a
batch that it opens for: the base pass, and the layers from the amplified one on once more.
With `--cpu-time` processor time counts instead of wall time, for a machine that others use, too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.gate import Gate, gated_logits
from superneurons.amplify.language import LanguageModel, open_language_model
from superneurons.cli.output import quiet
from superneurons.evaluate.intervals import percentiles

WORDS = "The old man went down to the sea and looked at the boats that were coming in. "
DRAWS = 2000


def ways(model: LanguageModel, options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    layer = options.layer or model.n_layers // 2
    rng = np.random.default_rng(0)
    columns = rng.permutation(model.width)[: options.count]
    prompts = [(WORDS * 20)[row : row + options.characters] for row in range(options.batch)]
    ids, mask = model.encode(prompts)
    none = torch.zeros(len(prompts), dtype=torch.bool)

    def plain() -> Any:
        return model.run(ids, mask)

    def inside(how: Amplification, rows: torch.Tensor | None = None) -> Any:
        with amplified(model, how, rows):
            return model.run(ids, mask)

    last, every = (Amplification(layer, columns, 1.5, position) for position in ("last", "all"))
    return {
        "plain": plain,
        "again": plain,
        "open, last": lambda: inside(last),
        "open, all": lambda: inside(every),
        "closed": lambda: inside(last, none),
        "unsure": lambda: gated_logits(model, prompts, last, Gate(2.0), batch_size=len(prompts)),
        "sure": lambda: gated_logits(model, prompts, last, Gate(0.0), batch_size=len(prompts)),
    }


def measured(
    ways: dict[str, Callable[[], Any]],
    rounds: int,
    wait: Callable[[], None],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    names = list(ways)
    for name in names:
        ways[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for index in rng.permutation(len(names)).tolist():
            wait()
            begun = clock()
            ways[names[index]]()
            wait()
            seconds[names[index]].append(clock() - begun)
    plain = np.array(seconds["plain"])
    found = {}
    for name in names[1:]:
        ratios = np.array(seconds[name]) / plain
        draws = np.median(rng.choice(ratios, size=(DRAWS, rounds)), axis=1)
        found[name] = {
            "ratio": float(np.median(ratios)),
            "interval": percentiles(draws),
            "of_least": float(min(seconds[name]) / plain.min()),
        }
    return {"plain_ms": float(1e3 * np.median(plain)), "ratios": found}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--layer", type=int)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--characters", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    quiet()
    model = open_language_model(options.model, dtype=options.dtype, device=options.device)
    wait = torch.cuda.synchronize if model.device.type == "cuda" else lambda: None
    clock = time.process_time if options.cpu_time else time.perf_counter
    found = measured(ways(model, options), options.rounds, wait, clock)
    print(f"plain pass: {found['plain_ms']:.1f} ms, {options.batch} prompts, {model.device}")
    for name, row in found["ratios"].items():
        low, high = row["interval"]
        print(f"{name:<12} {row['ratio']:.3f} ({low:.3f}–{high:.3f}), least {row['of_least']:.3f}")
    if options.out is not None:
        options.out.write_text(json.dumps({**vars(options), **found}, indent=1, default=str))
    return found


if __name__ == "__main__":
    main()
