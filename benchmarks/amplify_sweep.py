"""A sweep's shared prefix against a plain pass of the whole model for every setting.

Both sides in turn, in one run, over the same prompts, layers and settings of the embedded language
model. The naive side runs the whole model with the neurons amplified, once per setting and batch.
The sweep's side runs the prompts once and then, per setting, the last token through the layers from
the amplified one on. What they read (log-odds of the right token) is compared.

    python benchmarks/amplify_sweep.py --out found.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.language import LanguageModel, open_language_model
from superneurons.amplify.prefix import prefixes_of
from superneurons.amplify.readings import read_targets
from superneurons.amplify.tasks import TextTask, text_tasks


def settings_of(model: LanguageModel, layers: Sequence[int], each: int) -> list[Amplification]:
    """As many multipliers for each layer, of neurons drawn at random."""
    rng = np.random.default_rng(0)
    columns = {layer: rng.choice(model.width, min(50, model.width), False) for layer in layers}
    return [
        Amplification(layer, columns[layer], 1.5 + step) for layer in layers for step in range(each)
    ]


def naive(model: LanguageModel, task: TextTask, settings: Sequence[Amplification]) -> np.ndarray:
    tokens, found = task.tokens(model), []
    for setting in settings:
        with amplified(model, setting):
            logits = model.last_logits(task.prompts, batch_size=len(task))
        found.append(read_targets(logits, tokens).log_odds)
    return np.stack(found)


def shared(model: LanguageModel, task: TextTask, settings: Sequence[Amplification]) -> np.ndarray:
    tokens, prefixes = task.tokens(model), prefixes_of(model, task.prompts, last_token=True)
    return np.stack(
        [read_targets(prefixes.at(s.layer).logits(s), tokens).log_odds for s in settings]
    )


def timed(side: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Seconds that passed, seconds of the processor, and what came out."""
    start, used = time.perf_counter(), time.process_time()
    found = side()
    return time.perf_counter() - start, time.process_time() - used, found


def compare(
    model: LanguageModel, task: TextTask, settings: Sequence[Amplification], rounds: int
) -> dict[str, Any]:
    taken: dict[str, list[tuple[float, float]]] = {"naive": [], "shared": []}
    apart = 0.0
    for _ in range(rounds):
        found = {}
        for name, side in (("naive", naive), ("shared", shared)):
            seconds, processor, found[name] = timed(lambda side=side: side(model, task, settings))
            taken[name].append((seconds, processor))
        apart = max(apart, float(np.abs(found["naive"] - found["shared"]).max()))
    middle = {name: [median(column) for column in zip(*found, strict=True)]
              for name, found in taken.items()}  # fmt: skip
    return {
        "prompts": len(task), "settings": len(settings), "rounds": rounds,
        "layers": sorted({setting.layer for setting in settings}),
        "threads": torch.get_num_threads(),
        "seconds": {name: found[0] for name, found in middle.items()},
        "processor_seconds": {name: found[1] for name, found in middle.items()},
        "times_faster": middle["naive"][0] / middle["shared"][0],
        "times_less_processor": middle["naive"][1] / middle["shared"][1],
        "log_odds_apart_at_most": apart,
    }  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--task", default="order")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--layers", type=int, nargs="+", default=[3, 8, 13, 18, 23, 28])
    parser.add_argument("--each", type=int, default=6, help="settings per layer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(words)
    model = open_language_model(given.model, device="cpu")
    (task,) = text_tasks([given.task])
    settings = settings_of(model, given.layers, given.each)
    found = compare(model, task.some(range(given.prompts)), settings, given.rounds)
    print(json.dumps(found, indent=1))
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
