"""The amplified model as the last step after a classifier that exits early: what it brings.

    python benchmarks/amplify_last_step.py --fit 120 --calibrate 80 --test 120 [task …]

For each embedded task a classifier is fitted on its first layers, a last step is fitted and chosen
on other records, and scored on a third set. Candidates: neurons by differential activation against
another task's records, and as many random ones, each at several layers and multipliers; and the
Super Neurons of a classifier over MLP neurons. One line of JSON per task.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from superneurons.amplify.amplification import Amplification
from superneurons.amplify.language import language_model
from superneurons.amplify.last_step import (
    Candidate,
    fit_last_step,
    last_step_gain,
    record_differences,
)
from superneurons.amplify.neurons import from_classifier, strongest
from superneurons.cli.output import quiet
from superneurons.demo.tasks import make_task
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm

TASKS = ("dark", "presence")


def found(
    vlm: VLM, task: Sequence[Record], control: Sequence[Record], options: argparse.Namespace
) -> list[Candidate]:
    scores = record_differences(vlm, task, control, scoring="standardised")
    named = {"task": "task", "model": language_model(vlm).fingerprint, "found": "standardised"}
    return [
        (strongest(scores, layer, options.count, **named).amplification(times),)
        for layer, times in product(options.layers, options.multipliers)
    ]


def random_ones(like: Sequence[Candidate], width: int, seed: int) -> list[Candidate]:
    rng = np.random.default_rng(seed)
    return [
        (Amplification(a.layer, rng.permutation(width)[: len(a.columns)], a.multiplier),)
        for (a,) in like
    ]


def super_neurons(
    vlm: VLM, task: Sequence[Record], multipliers: Sequence[float], deepest: int
) -> list[Candidate]:
    classifier = SuperNeuronClassifier(vlm, site="mlp", max_layer=deepest).fit(task)
    neurons = from_classifier(classifier)
    return [tuple(own.amplification(times) for own in neurons) for times in multipliers]


def measured(vlm: VLM, task: str, options: argparse.Namespace) -> dict[str, Any]:
    n = options.fit + options.calibrate
    probe = make_task(task, n=n, seed=options.seed)
    test = make_task(task, n=options.test, split="test", seed=options.seed)
    other = next(name for name in TASKS if name != task)
    control = make_task(other, n=options.neurons, seed=options.seed)
    fit, calibrate = probe[: options.fit], probe[options.fit :]
    classifier = SuperNeuronClassifier(vlm, max_layer=options.exit).fit(fit)
    base = fit_last_step(classifier, calibrate, [()], seed=options.seed)
    differential = found(vlm, fit[: options.neurons], control, options)
    kinds = {
        "differential": differential,
        "random": random_ones(differential, vlm.shape("mlp")[1], options.seed),
        "super neurons": super_neurons(vlm, fit, options.multipliers, max(options.layers)),
    }
    rows = {}
    for kind, candidates in kinds.items():
        step = fit_last_step(classifier, calibrate, candidates, seed=options.seed)
        gain = last_step_gain(step, base, test, seed=options.seed).as_dict()
        for one in gain["candidate"]:
            one["columns"] = len(one["columns"])
        rows[kind] = gain
        print(f"{task}, {kind}: {gain['over_base']}", file=sys.stderr, flush=True)
    return {"task": task, "exit_layer": classifier.exit_layer_, "steps": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--fit", type=int, default=120)
    parser.add_argument("--calibrate", type=int, default=80)
    parser.add_argument("--test", type=int, default=120)
    parser.add_argument("--neurons", type=int, default=40, help="records to find neurons on")
    parser.add_argument("--exit", type=int, default=2, help="deepest layer of the classifier")
    parser.add_argument("--layers", type=int, nargs="+", default=[12, 20])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--multipliers", type=float, nargs="+", default=[2.0, 4.0])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    quiet()
    vlm = open_vlm("demo")
    for task in options.tasks:
        begun = time.perf_counter()
        row = measured(vlm, task, options)
        print(json.dumps({**row, "seconds": round(time.perf_counter() - begun)}), flush=True)


if __name__ == "__main__":
    main()
