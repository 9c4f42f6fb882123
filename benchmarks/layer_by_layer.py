"""Super Neurons beside the logistic probe, layer by layer, on the embedded tasks, as Markdown.

    python benchmarks/layer_by_layer.py --jobs 8 --device cuda --out runs/layers.json [task …]

The model runs once over each task's records. Then, for each number of labels, both read-outs are
fitted on each layer alone, and once on all layers together, where the logistic probe chooses its
layer; both choose their settings by cross-validation. Differences are of balanced accuracy on the
same test records, in points, positive where Super Neurons are better. A layer *knows* where the
logistic probe is more than 2 points above chance. Multiple choice is asked by letter. Without
names it takes every embedded task.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray

from superneurons.activations.capture import capture
from superneurons.cli.output import quiet
from superneurons.demo.tasks import TASKS, make_task
from superneurons.evaluate.paired import paired_difference
from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.task.groups import group_ids
from superneurons.task.lettered import letter_record
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm

MAX_NEURONS = 1000
KNOWS = 0.02  # above chance
CLOSE = 0.01


@dataclass(frozen=True)
class Part:
    """Captured records: activations (N, L, D), labels (N,), groups (N,)."""

    activations: NDArray[np.float16]
    labels: NDArray[Any]
    groups: NDArray[np.int64]

    def rows(self, n: int) -> NDArray[np.int64]:
        """The first records, ``n`` of them or fewer: a group is taken whole or not at all."""
        taken: list[int] = []
        for group in dict.fromkeys(self.groups.tolist()):
            members = np.flatnonzero(self.groups == group).tolist()
            if len(taken) + len(members) <= n:
                taken += members
        return np.array(sorted(taken))


def captured(vlm: VLM, records: Sequence[Record], layers: list[int], batch_size: int) -> Part:
    found = capture(vlm, records, batch_size=batch_size).activations
    chosen = np.ascontiguousarray(found[:, [layer - 1 for layer in layers]])
    return Part(chosen, np.array([str(record.label) for record in records]), group_ids(records))


def compared(
    train: Part, test: Part, rows: NDArray[np.int64], layer: int | None, seed: int
) -> dict[str, Any]:
    """Fit both read-outs on one layer, counted from 0, or on all; score them on the test part."""
    width = train.activations.shape[2]
    X, X_test = (
        part.activations[:, layer]
        if layer is not None
        else part.activations.reshape(len(part.labels), -1)
        for part in (train, test)
    )
    found: dict[str, Any] = {}
    answers = []
    for name, read_out in (
        ("super-neurons", SuperNeurons(max_neurons=MAX_NEURONS, random_state=seed)),
        ("logistic", LogisticProbe(layer_width=width, random_state=seed)),
    ):
        begun = time.perf_counter()
        read_out.fit(X[rows], train.labels[rows], train.groups[rows])
        found[f"{name} seconds"] = time.perf_counter() - begun
        found[f"{name} neurons"] = len(read_out.neurons_)
        answers.append(read_out.predict(X_test))
        found[name] = balanced_accuracy(test.labels, answers[-1])
    classes = np.unique(np.concatenate([train.labels, test.labels])).tolist()
    paired = paired_difference(
        test.labels, *answers, classes=classes, groups=test.groups, seed=seed
    )  # fmt: skip
    return {**found, **asdict(paired)}


def balanced_accuracy(labels: NDArray[Any], answers: NDArray[Any]) -> float:
    shares = [np.mean(answers[labels == label] == label) for label in np.unique(labels)]
    return float(np.mean(shares))


def over_layers(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Differences over layers: how many there are, median, mean, worst, share that is close."""
    if not lines:
        return {"layers": 0}
    differences = np.array([line["difference"] for line in lines])
    return {
        "layers": len(lines),
        "median": float(np.median(differences)),
        "mean": float(differences.mean()),
        "worst": float(differences.min()),
        # Differences of shares come with errors in the last bits.
        "close": float(np.mean(differences >= -CLOSE - 1e-9)),
        "significantly worse": sum(line["interval"][1] < 0 for line in lines),
        "significantly better": sum(line["interval"][0] > 0 for line in lines),
    }


def compare_task(train: Part, test: Part, layers: list[int], options: Any) -> dict[str, Any]:
    """All fits of one task, side by side; by number of labels."""
    chance = 1 / len(np.unique(test.labels))
    by_rows = {len(rows): rows for rows in map(train.rows, options.labels)}
    # Those that take longest first, so that none is left over at the end.
    places = [None, *range(len(layers))]
    jobs = [(n, place) for place in places for n in sorted(by_rows, reverse=True)]
    with parallel_config("loky", n_jobs=options.jobs, inner_max_num_threads=1):
        lines = Parallel(pre_dispatch="all")(
            delayed(compared)(train, test, by_rows[n], place, options.seed) for n, place in jobs
        )
    found: dict[str, Any] = {"chance": chance, "test records": len(test.labels), "by labels": {}}
    for n in sorted(by_rows):
        of_n = {place: line for (m, place), line in zip(jobs, lines, strict=True) if m == n}
        by_layer = {layer: of_n[place] for place, layer in enumerate(layers)}
        known = [line for line in by_layer.values() if line["logistic"] > chance + KNOWS]
        found["by labels"][n] = {
            "layers that know": over_layers(known),
            "every layer": over_layers(list(by_layer.values())),
            "all together": of_n[None],
            "by layer": by_layer,
        }
    return found


def points(share: float, sign: str = "+") -> str:
    return f"{round(100 * share, 1) + 0.0:{sign}.1f}"  # never -0.0


def cells(summary: dict[str, Any]) -> list[str]:
    if not summary["layers"]:
        return ["0", *4 * ["–"]]
    figures = [points(summary[name]) for name in ("median", "mean", "worst")]
    return [str(summary["layers"]), *figures, f"{100 * summary['close']:.0f} %"]


def markdown(task: str, found: dict[str, Any]) -> list[str]:
    made = []
    for n, line in found["by labels"].items():
        whole = line["all together"]
        low, high = whole["interval"]
        row = [
            *(task, str(n), *cells(line["layers that know"]), *cells(line["every layer"])),
            *(points(whole[name], "") for name in ("super-neurons", "logistic")),
            f"{points(whole['difference'])} ({points(low)} … {points(high)})",
        ]
        made.append("| " + " | ".join(row) + " |")
    return made


def header() -> str:
    of_layers = ["layers", "median", "mean", "worst", "≥ −1"]
    names = ["task", "labels", *(f"{name}, knowing" for name in of_layers), *of_layers]
    names += ["all layers: super-neurons", "logistic", "difference (95 %)"]
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def made(task: str, options: argparse.Namespace) -> tuple[list[Record], list[Record]]:
    probe = make_task(task, n=options.probe, split="probe", seed=options.seed)
    test = make_task(task, n=options.test, split="test", seed=options.seed)
    if TASKS[task].labels:
        return probe, test
    return [letter_record(record) for record in probe], [letter_record(record) for record in test]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("tasks", nargs="*", default=list(TASKS), metavar="task")
    parser.add_argument("--probe", type=int, default=500)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 200, 500])
    parser.add_argument("--layers", type=int, nargs="+", help="only these, counted from 1")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/layer_by_layer.json"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    quiet()
    vlm = open_vlm(options.model, device=options.device, dtype=options.dtype)
    layers = options.layers or list(range(1, vlm.n_layers + 1))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    everything: dict[str, Any] = {}
    print(header(), flush=True)
    for task in options.tasks:
        begun = time.perf_counter()
        train, test = (
            captured(vlm, records, layers, options.batch_size) for records in made(task, options)
        )
        ran = time.perf_counter()
        everything[task] = compare_task(train, test, layers, options)
        seconds = {"capture": ran - begun, "fits": time.perf_counter() - ran}
        everything[task]["seconds"] = seconds
        options.out.write_text(json.dumps(everything, indent=1))
        print("\n".join(markdown(task, everything[task])), flush=True)
        print(f"{task}: {', '.join(f'{k} {v:.0f} s' for k, v in seconds.items())}", file=sys.stderr)


if __name__ == "__main__":
    main()
