"""Exits of the embedded model on a CPU beside its whole prefill, on embedded tasks, as Markdown.

    python benchmarks/exit_cpu.py --threads 2 --out runs/exit_cpu.json [task …]

For each task the search chooses where to stop, on one set of records: the cheapest point that isn't
clearly behind the best. The classifier fitted there, on the same records, and the base model's
logits, calibrated on them, are scored on other records, with other backgrounds: balanced accuracy
(95 % interval), and the difference between the two by paired bootstrap. Then the sides are timed in
turn in one run, one held-out record at a time: from prepared inputs to the label, and from the
picture to the label. Medians (quartiles) in milliseconds. The JSON holds all points of every
search. Without names it takes the three fixed questions of the goals and ``presence``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from _gpu import Times, environment, in_turns, table, write

from superneurons.activations.capture import to_float16
from superneurons.demo.tasks import make_task
from superneurons.evaluate.comparison import Row
from superneurons.evaluate.rivals import base_task
from superneurons.evaluate.search import CALIBRATED, CHOSEN, search_with_base, verify
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.search_points import Point
from superneurons.shortcut.search_space import SearchSpace
from superneurons.task.labels import label_set
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt

DEFAULT = ("focus", "dark", "animal", "presence")
RECORDS = 20  # timed in turn
PREFILL, GENERATE, EXIT = "prefill with label logits", "generate(1)", "exit"
FROM_PICTURE = "from the picture: "
COLUMNS = (
    "task", "exit", "balanced accuracy (95 %)", "base, calibrated (95 %)", "difference (95 %)",
    "prefill ms", "generate(1) ms", "exit ms", "prefill / exit", "generate / exit",
    "from the picture",
)  # fmt: skip


def sides_of(
    vlm: VLM,
    point: Point,
    classifier: SuperNeuronClassifier,
    words: LabelWords,
    records: Sequence[Record],
) -> dict[str, Callable[[int], Any]]:
    """Both sides, from prepared inputs and from the picture."""
    view = vlm if point.resolution is None else vlm.at_resolution(point.resolution)
    leave = classifier.early_exit(view)
    theirs = [vlm.encode([record], Prompt()) for record in records]
    ours = [view.encode([record], classifier.prompt) for record in records]

    def answer(inputs: Any) -> str:
        logits = vlm.last_states(inputs, logits=True).logits
        assert logits is not None
        return words.labels[int(words.pool(logits).argmax())]

    @torch.inference_mode()
    def generate(inputs: Any) -> int:
        tokens = vlm.model.generate(
            **inputs.tensors, max_new_tokens=1, do_sample=False,
            pad_token_id=vlm.processor.tokenizer.pad_token_id,
        )  # fmt: skip
        return int(tokens[0, -1])

    def exit_(inputs: Any) -> str:
        return str(classifier.read_out_.predict(to_float16(leave(inputs)))[0])

    n = len(records)
    return {
        PREFILL: lambda number: answer(theirs[number % n]),
        GENERATE: lambda number: generate(theirs[number % n]),
        EXIT: lambda number: exit_(ours[number % n]),
        FROM_PICTURE + PREFILL: lambda number: answer(vlm.encode([records[number % n]], Prompt())),
        FROM_PICTURE + EXIT: lambda number: classifier.answer(view, [records[number % n]]),
    }


def run(task: str, vlm: VLM, options: argparse.Namespace) -> dict[str, Any]:
    train = make_task(task, n=options.probe, split="probe", seed=options.seed)
    held = make_task(task, n=options.test, split="test", seed=options.seed)
    space = SearchSpace(
        resolutions=tuple(options.resolutions), max_layer=options.max_layer,
        orders=tuple(options.orders),
    )  # fmt: skip
    found = search_with_base(
        vlm, train, space, batch_size=options.batch_size, repeats=options.search_repeats,
        seed=options.seed,
    )  # fmt: skip
    point = found.choose(within=options.within, max_latency_ms=options.max_latency)
    comparison, classifier = verify(
        vlm, found, point, train, held, batch_size=options.batch_size, repeats=0,
        seed=options.seed,
    )  # fmt: skip
    words = base_task(vlm, train, label_set(train)).words
    if words is None:
        raise SystemExit(f"{task}: the base model's first token can't tell the labels apart.")
    times = in_turns(
        sides_of(vlm, point, classifier, words, held[:RECORDS]),
        device=vlm.device, warm=options.warm, repeats=options.repeats, seconds=options.seconds,
    )  # fmt: skip
    return {
        "task": task,
        "chosen": point.as_dict(),
        "neurons": len(classifier.neurons_),
        "exit layer": classifier.exit_layer_,
        "times": {name: one.as_dict() for name, one in times.items()},
        "ratios": ratios(times),
        "verification": comparison.as_dict(),
        "search": found.as_dict(),
        "front": [str(one) for one in found.front()],
        "cells": cells(task, point, comparison.rows, times),
    }


def ratios(times: dict[str, Times]) -> dict[str, float]:
    own = times[EXIT].ms
    from_picture = times[FROM_PICTURE + PREFILL].ms / times[FROM_PICTURE + EXIT].ms
    return {
        "prefill / exit": times[PREFILL].ms / own,
        "generate / exit": times[GENERATE].ms / own,
        "from the picture": from_picture,
    }


def cells(task: str, point: Point, rows: Sequence[Row], times: dict[str, Times]) -> list[str]:
    by_name = {row.name: row for row in rows}
    ahead = by_name[CALIBRATED].lead
    assert ahead is not None
    gap, (low, high) = ahead.balanced_accuracy, ahead.balanced_accuracy.interval
    size = "" if point.resolution is None else f", {point.resolution} pixels"
    return [
        task, f"{point.site}, layer {point.depth}, {point.order}{size}",
        *(accuracy(by_name[name]) for name in (CHOSEN, CALIBRATED)),
        f"{100 * gap.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
        *(f"{times[n].ms:.1f} ({times[n].low:.1f}–{times[n].high:.1f})"
          for n in (PREFILL, GENERATE, EXIT)),
        *(f"{ratio:.1f}×" for ratio in ratios(times).values()),
    ]  # fmt: skip


def accuracy(row: Row) -> str:
    if row.scores is None:
        return "–"
    low, high = row.scores.balanced_accuracy_interval
    return f"{row.scores.balanced_accuracy:.1%} ({100 * low:.0f}–{100 * high:.0f})"


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("tasks", nargs="*", default=list(DEFAULT))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--probe", type=int, default=300)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--resolutions", type=int, nargs="*", default=[])
    parser.add_argument("--orders", nargs="+", default=["picture-first", "question-first"])
    parser.add_argument("--max-layer", type=int)
    parser.add_argument("--within", type=float, default=0.01, help="loss that doesn't matter")
    parser.add_argument("--max-latency", type=float, help="milliseconds")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--search-repeats", type=int, default=5)
    parser.add_argument("--warm", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    torch.set_num_threads(options.threads)
    vlm = open_vlm(options.model, device="cpu", dtype="float32")
    plain = {key: str(v) if isinstance(v, Path) else v for key, v in vars(options).items()}
    found: dict[str, Any] = {
        "benchmark": "exit_cpu", "options": plain, "environment": environment("cpu"), "tasks": [],
    }  # fmt: skip
    print(f"{vlm.name}, {vlm.n_layers} layers, float32, CPU, {options.threads} threads; searched "
          f"on {options.probe} records, scored on {options.test} others\n")  # fmt: skip
    for number, task in enumerate(options.tasks):
        found["tasks"].append(run(task, vlm, options))
        write(options.out, found)
        lines = table(COLUMNS, [found["tasks"][-1]["cells"]]).splitlines()
        print("\n".join(lines[2:] if number else lines), flush=True)
    for one in found["tasks"]:
        print(f"\nCross-validated front of {one['task']}, from prepared inputs to activations:\n")
        print("\n".join(f"- {point}" for point in one["front"]), flush=True)


if __name__ == "__main__":
    main()
