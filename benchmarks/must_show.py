"""Run the benchmarks one after another, each within a time limit, and set them against the goals.

    python benchmarks/must_show.py --out runs/must_show
    python benchmarks/must_show.py --out runs/all --runs llava jpeg --more "llava=--repeats 50"
    python benchmarks/must_show.py --out runs/all --runs     # only the table, of what is there

Each run is a process of its own and leaves NAME.json and NAME.txt in the directory; one that is cut
short or fails leaves what it had found until then. ``--tiny`` tries everything out anywhere, at
sizes where it proves nothing.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _gpu import table, write

HERE = Path(__file__).parent
GENERATE, PREFILL = "x HF generate(1)", "x HF prefill"
LLAVA = {"7b": "LLaVA-1.5-7B", "tiny": "tiny LLaVA"}
THERE = "decoded there too"
SMALL = ["--device", "cpu", "--repeats", "5", "--agree", "16"]

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One script with its arguments.

    Parameters
    ----------
    script
        File beside this one.
    arguments
        At exact size.
    tiny
        At a size that runs anywhere.
    limit
        Seconds.
    scratch
        Whether it takes a directory that isn't there yet.
    """

    script: str
    arguments: Sequence[str]
    tiny: Sequence[str]
    limit: float
    scratch: bool = False


RUNS: dict[str, Run] = {
    "llava": Run("exit_llava.py", [], ["--shape", "tiny", "--batches", "1", "2", *SMALL], 500),
    "llava-float32": Run(
        "exit_llava.py", ["--dtype", "float32", "--only", "agree"],
        ["--dtype", "float32", "--only", "agree", "--shape", "tiny", *SMALL], 240,
    ),
    "jpeg": Run("jpeg_to_label.py", [], ["--shape", "tiny", *SMALL], 180),
    "qwen-4b": Run(
        "exit_qwen3_vl.py", ["--size", "4b"], ["--size", "tiny", "--batches", "1", "2", *SMALL],
        500,
    ),
    "qwen-8b": Run(
        "exit_qwen3_vl.py", ["--size", "8b", "--only", "time"],
        ["--size", "tiny", "--batches", "1", "--only", "time", *SMALL], 400,
    ),
    "probing": Run(
        "probing_7b.py", [],
        ["--shape", "tiny", "--device", "cpu", "--samples", "40", "--batch", "8", "--block", "2"],
        240,
    ),
    "loading": Run(
        "truncated_loading.py", ["--device", "cuda"], ["--layers", "2", "--shard-gb", "0.5"], 300,
        scratch=True,
    ),
    "loading-cpu": Run(
        "truncated_loading.py", [], ["--layers", "2", "--shard-gb", "0.5"], 300, scratch=True
    ),
    "many": Run(
        "many_questions.py", [],
        ["--shape", "tiny", "--device", "cpu", "--dtype", "float32", "--exits", "1", "3", "--words",
         "5", "--questions", "1", "2", "6", "--neurons", "20", "--agree", "16", "--repeats", "5"],
        300,
    ),
    "cpu": Run(
        "exit_cpu.py", [], ["dark", "--probe", "24", "--test", "16", "--repeats", "5"], 3600
    ),
}  # fmt: skip
ON_A_GPU = ("llava", "llava-float32", "jpeg", "qwen-4b", "qwen-8b", "probing", "loading", "many")


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Parameters
    ----------
    what
        Was measured.
    goal
        In words.
    value
        What was found, in words.
    met
        Whether it reaches the goal; ``None`` where there is none.
    """

    what: str
    goal: str
    value: str
    met: bool | None


def best(
    rows: Sequence[Found], name: str, ways: Sequence[str] | None = None, **fixed: Any
) -> Found | None:
    """The row of ours with the largest ratio of a name, of all ways or of some."""
    fitting = [
        row
        for row in rows
        if row["side"].startswith("ours") and name in row
        and all(row.get(key) == value for key, value in fixed.items())
        and (ways is None or row.get("ran") in ways)
    ]  # fmt: skip
    return max(fitting, key=lambda row: row[name], default=None)


def at_least(what: str, row: Found | None, name: str, goal: float | None, aim: float = 0) -> Line:
    """A ratio that has to be large."""
    words = "report" if goal is None else f"≥ {goal:g}×" + (f", aim {aim:g}×" if aim else "")
    if row is None:
        return Line(what, words, "–", None)
    said = f"{row[name]:.1f}× ({row['side']}: {row['ms']:.2f} ms)"
    return Line(what, words, said, None if goal is None else row[name] >= goal)


def of_llava(found: Found) -> Iterator[Line]:
    rows, model = found.get("times", []), LLAVA[found["options"]["shape"]]
    batches = sorted({row["batch"] for row in rows})
    for batch in batches:
        goals = {1: (GENERATE, 25, 40), 32: (PREFILL, 15, 25)}
        name, goal, aim = goals.get(batch, (PREFILL, None, 0))
        what = f"{model}, batch {batch}, {name.removeprefix('x ')} / ours"
        yield at_least(f"{what}, exact", best(rows, name, ("off", "lean", "graphs", "compiled"),
                                              batch=batch), name, goal, aim)  # fmt: skip
        yield at_least(f"{what}, with FP8", best(rows, name, ("fp8",), batch=batch), name, None)
    for row in rows:
        for beside in ("/ tower alone", "/ HF tower"):
            if beside in row and row["side"] != "ours, off":
                what = f"{model}, batch {row['batch']}, {row['side']} {beside}"
                strict = row["side"] == "ours, graphs"
                yield Line(what, "≤ 1.25" if strict else "report", f"{row[beside]:.2f}",
                           row[beside] <= 1.25 if strict else None)  # fmt: skip
    yield from chosen_settings(model, rows)
    yield from of_agreement(found)


def chosen_settings(model: str, rows: Sequence[Found]) -> Iterator[Line]:
    for row in rows:
        if row["side"].startswith("at ") and row["batch"] == 1:
            yield Line(f"{model}, batch 1, {row['side']}", "report, aim 60×",
                       f"{row[GENERATE]:.1f}× ({row['ms']:.2f} ms)", None)  # fmt: skip


def of_agreement(found: Found) -> Iterator[Line]:
    for row in found.get("agreement", []):
        if "exit" not in row:
            continue
        exact = row["dtype"] == "float32"
        what = f"agreement, {row['dtype']}, exit {row['exit']}, {row['words']} words, {row['ran']}"
        yield Line(what, "≥ 99.9 %" if exact else "report",
                   f"{row['agree']:.2%} of {row['records']}",
                   row["agree"] >= 0.999 if exact else None)  # fmt: skip


def of_qwen(found: Found) -> Iterator[Line]:
    size = found["options"]["size"]
    goals: dict[tuple[int, int], float] = {}
    if size == "4b":
        goals = {(1, 1): 18, (1, 8): 10, (1, 16): 7, (16, 1): 5.5, (16, 8): 3.4, (16, 16): 2.4}
    rows = found.get("times", [])
    for batch, depth in sorted({(row["batch"], row["exit"]) for row in rows if row["exit"]}):
        what = f"Qwen3-VL-{size}, batch {batch}, HF generate(1) / ours, exit {depth}"
        row = best(rows, GENERATE, ("off", "lean", "graphs", "compiled"), batch=batch, exit=depth)
        yield at_least(f"{what}, exact", row, GENERATE, goals.get((batch, depth)))
        row = best(rows, GENERATE, ("fp8",), batch=batch, exit=depth)
        yield at_least(f"{what}, with FP8", row, GENERATE, None)
    yield from of_agreement(found)


def of_jpeg(found: Found) -> Iterator[Line]:
    rows, exact = found.get("times", []), ("off", "lean", "graphs", "compiled")
    usual = [row for row in rows if not row["side"].endswith(THERE)]
    bases = sorted({name for row in rows for name in row if name.startswith("x HF")})
    for base in bases:
        what = f"JPEG to label, batch 1, {base.removeprefix('x ')} and generate(1) / ours"
        first, by_default = best(rows, base, exact), best(usual, base, exact)
        opted = "" if first is by_default else ", opt-in (JPEG decoded on the GPU)"
        yield at_least(f"{what}, exact{opted}", first, base, 15)
        if opted:
            yield at_least(f"{what}, exact, by default", by_default, base, None)
        yield at_least(f"{what}, with FP8", best(rows, base, ("fp8",)), base, None)
    for row in found.get("agreement", []):
        yield Line(f"labels, pictures prepared {row['way']} and by Pillow", "report",
                   f"{row['agree']:.1%} of {row['records']}", None)  # fmt: skip


def of_probing(found: Found) -> Iterator[Line]:
    samples = found["options"]["samples"]
    seconds, ratio = found["seconds for all"], found["ratio for all"]
    yield Line(f"probing {samples} samples", "≤ 75 s", f"{seconds:.1f} s", seconds <= 75)
    yield Line("probing / bare prefills", "≤ 1.1×",
               f"{ratio:.2f}× ({found['ratio in turn']:.2f}× in turn)", ratio <= 1.1)  # fmt: skip


def of_loading(found: Found) -> Iterator[Line]:
    where = found["environment"]["device"]
    for line in found["lines"]:
        if not line["way"].startswith("classifier"):
            continue
        names = ["held bytes", "resident bytes", "read bytes"]
        for name in names + ["device bytes"] * ("cuda" in where):
            what = f"{found['checkpoint bytes'] / 1e9:.1f} GB checkpoint on {where}, {name}"
            size = line[name] / 1e9
            yield Line(what, "≤ 1.4 GB", f"{size:.2f} GB", size <= 1.4)


def of_cpu(found: Found) -> Iterator[Line]:
    for one in found["tasks"]:
        fixed = one["task"] != "presence"
        _, exit_, ours, base, difference, *_ = one["cells"]
        goal, aim = (5, ", aim 8×") if fixed else (2, "")
        ratio = one["ratios"]["prefill / exit"]
        what = f"embedded model, {one['task']}, full prefill / exit at {exit_}"
        said = f"{ratio:.1f}× at {ours}; base {base}, {difference}"
        loss = next(r for r in one["verification"]["rows"] if r["name"] == "calibrated logits")
        behind = loss["lead"]["balanced_accuracy"]["difference"] < 0
        yield Line(what, f"≥ {goal}×{aim}, at no loss", said, ratio >= goal and not behind)


def of_many(found: Found) -> Iterator[Line]:
    options, rows = found["options"], found.get("times", [])
    model = "embedded model" if options["model"] else LLAVA[options["shape"]]
    for exit_, batch in sorted({(row["exit"], row["batch"]) for row in rows}):
        fitting = [row for row in rows if (row["exit"], row["batch"]) == (exit_, batch)]
        most = max(row["questions"] for row in fitting)
        for row in fitting:
            if row["questions"] < most or "ms per further question" not in row:
                continue
            what = f"{model}, exit {exit_}, batch {batch}, 2nd … {most}th question, {row['side']}"
            said = f"{row['ms per further question']:.3f} ms per picture each"
            if "x one question" in row:
                said += f"; all {row['x one question']:.2f}× one question"
            yield Line(what, "report", said, None)
    for row in found.get("agreement", []):
        what = f"labels together and alone, {row.get('task', model)}, exit {row['exit']}"
        yield Line(what, "report", f"{row['agree']:.2%} of {row['pictures']} pictures", None)


READERS: dict[str, Callable[[Found], Iterator[Line]]] = {
    "exit_llava": of_llava,
    "exit_qwen3_vl": of_qwen,
    "jpeg_to_label": of_jpeg,
    "probing_7b": of_probing,
    "truncated_loading": of_loading,
    "exit_cpu": of_cpu,
    "many_questions": of_many,
}


def run_one(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one benchmark, showing and keeping what it prints."""
    run, out = RUNS[name], options.out
    arguments = list(run.tiny if options.tiny else run.arguments) + options.more.get(name, [])
    if run.scratch:
        arguments = [str(out / f"{name}-checkpoint"), *arguments]
    command = [sys.executable, "-u", str(HERE / run.script), *arguments, f"--out={out / name}.json"]
    print(f"\n### {name}: {shlex.join(command[2:])}\n", flush=True)
    begun = time.perf_counter()
    with (out / f"{name}.txt").open("w") as log:
        try:
            done = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, timeout=run.limit * options.patience,
                check=False,
            )  # fmt: skip
            ended = "done" if done.returncode == 0 else f"failed ({done.returncode})"
        except subprocess.TimeoutExpired:
            ended = f"cut short after {run.limit * options.patience:.0f} s"
    if run.scratch:  # one cut short could not take it away
        shutil.rmtree(arguments[0], ignore_errors=True)
    print((out / f"{name}.txt").read_text()[-6000:], flush=True)
    return {"run": name, "ended": ended, "seconds": time.perf_counter() - begun}


def lines_of(directory: Path) -> list[Line]:
    """Set everything that was found in a directory against the goals."""
    found = []
    for name in RUNS:
        path = directory / f"{name}.json"
        if path.exists():
            read = json.loads(path.read_text())
            found += READERS[read["benchmark"]](read)
    return found


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True, help="directory")
    parser.add_argument(
        "--runs", nargs="*", choices=RUNS, default=None, help="default: all of a GPU"
    )
    parser.add_argument("--more", nargs="*", default=[], help='arguments to add: "NAME=--x 1"')
    parser.add_argument("--patience", type=float, default=1, help="times the time limits")
    parser.add_argument("--tiny", action="store_true", help="try it out")
    options = parser.parse_args(arguments)
    options.runs = ON_A_GPU if options.runs is None else options.runs
    more = (text.partition("=") for text in options.more)
    options.more = {name: shlex.split(rest) for name, _, rest in more}
    unknown = options.more.keys() - RUNS
    if unknown:
        parser.error(f"--more: no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    runs = [run_one(name, options) for name in options.runs]
    lines = lines_of(options.out)
    rows = [
        [line.what, line.goal, line.value, {None: "–", True: "yes", False: "**no**"}[line.met]]
        for line in lines
    ]
    print(table(["what", "goal", "found", "met"], rows))
    for run in runs:
        print(f"- {run['run']}: {run['ended']}, {run['seconds']:.0f} s")
    write(options.out / "must_show.json", {"runs": runs, "lines": [vars(line) for line in lines]})


if __name__ == "__main__":
    main()
