"""What an accuracy is worth: all robustness studies on the embedded tasks, as JSON and Markdown.

    python benchmarks/robustness.py --device cuda --batch-size 64 --tasks dark focus bigger hides

What `superneurons robustness` measures: wordings, drawings never seen, shuffles, probing-set sizes,
where in depth the neurons sit, and which neurons tasks share. Both files are written anew after
each study of each task; with --resume, what the JSON holds is not run again. A study that a task
can't take part in (depth: more than two answers) is left out and said.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from superneurons.activations.store import write_atomically
from superneurons.cli.output import quiet
from superneurons.demo.tasks import TASKS, make_task
from superneurons.errors import SuperNeuronsError
from superneurons.evaluate.robustness.crossing import Domain
from superneurons.evaluate.robustness.depth import study_depth
from superneurons.evaluate.robustness.overlap import study_overlap
from superneurons.evaluate.robustness.shift import study_shift
from superneurons.evaluate.robustness.shuffled import study_shuffled
from superneurons.evaluate.robustness.size import SIZES, study_size
from superneurons.evaluate.robustness.task_wordings import task_wordings
from superneurons.evaluate.robustness.wording import study_wording
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm

TASKS_BY_DEFAULT = (
    "presence", "left", "front", "focus", "dark", "bigger", "hides", "exactly",
)  # fmt: skip
OVERLAP = "all tasks"
STUDIES = ("wording", "shift", "shuffled", "size", "depth", "overlap")
_FEWEST_SHUFFLES = 2


class Bench:
    """Runs the studies of one set of options, and keeps what they found."""

    def __init__(self, vlm: VLM, options: argparse.Namespace) -> None:
        self.vlm = vlm
        self.options = options
        self.json, self.markdown = options.out, options.out.with_suffix(".md")
        self.found: dict[str, dict[str, Any]] = {}
        if options.resume and self.json.exists():
            self.found = json.loads(self.json.read_text())["found"]

    def records(self, task: str, split: Any, sprites: Any = "seen", n: int = 0) -> list[Record]:
        """Records of a task; ``n`` for another number than usual."""
        usual = self.options.n_probe if split == "probe" else self.options.n_test
        seed = self.options.seed
        return make_task(task, n=n or usual, split=split, sprites=sprites, seed=seed)

    def how(self, fewest: int = 1) -> dict[str, Any]:
        """How a study asks and fits, with at least so many seeds."""
        first, n = self.options.seed, max(fewest, self.options.seeds)
        return {"batch_size": self.options.batch_size, "seeds": range(first, first + n)}

    def wording(self, task: str) -> Any:
        """Other words for the same."""
        own, others = task_wordings(task)
        probe, test = self.records(task, "probe"), self.records(task, "test")
        return study_wording(self.vlm, probe, test, others, own=own, **self.how())

    def shift(self, task: str) -> Any:
        """Drawings that the model was trained on, and others."""
        domains = [
            Domain(name, self.records(task, "probe", name), self.records(task, "test", name))
            for name in ("seen", "unseen")
        ]
        return study_shift(self.vlm, domains, **self.how())

    def shuffled(self, task: str) -> Any:
        """Pictures, questions and labels shuffled."""
        probe, test = self.records(task, "probe"), self.records(task, "test")
        return study_shuffled(self.vlm, probe, test, **self.how(_FEWEST_SHUFFLES))

    def size(self, task: str) -> Any:
        """Ever larger probing sets."""
        probe = self.records(task, "probe", n=max(self.options.sizes))
        test, sizes = self.records(task, "test"), self.options.sizes
        return study_size(self.vlm, probe, test, sizes=sizes, **self.how())

    def depth(self, task: str) -> Any:
        """Neurons layer by layer."""
        probe, test = self.records(task, "probe"), self.records(task, "test")
        return study_depth(self.vlm, probe, test, **self.how())

    def overlap(self, _: str) -> Any:
        """Neurons of all tasks."""
        tasks = {task: self.records(task, "probe") for task in self.options.tasks}
        size, seed = self.options.batch_size, self.options.seed
        return study_overlap(self.vlm, tasks, batch_size=size, seed=seed)

    def run(self) -> None:
        """Run what is missing, task by task."""
        for study in self.options.studies:
            if study not in STUDIES:
                raise SystemExit(f"There is no study {study!r}. Studies: {', '.join(STUDIES)}.")
        chosen = [study for study in self.options.studies if study != "overlap"]
        for task in self.options.tasks:
            for study in chosen:
                self.keep(task, study, getattr(self, study))
        if "overlap" in self.options.studies and len(self.options.tasks) > 1:
            self.keep(OVERLAP, "overlap", self.overlap)

    def keep(self, task: str, study: str, measure: Callable[[str], Any]) -> None:
        """Measure one study of one task, unless it is there, and write all that there is."""
        known = self.found.setdefault(task, {})
        if study in known:
            return
        begun = time.perf_counter()
        try:
            found = measure(task)
        except SuperNeuronsError as error:
            known[study] = {"left_out": str(error)}
        else:
            tables = [sheet.markdown() for sheet in found.tables()]
            known[study] = {**found.as_dict(), "tables": tables}
        known[study]["seconds"] = time.perf_counter() - begun
        print(f"{task}, {study}: {known[study]['seconds']:.0f} s", file=sys.stderr, flush=True)
        self.write()

    def write(self) -> None:
        """Write both files anew."""
        options = {
            key: value for key, value in vars(self.options).items() if key not in ("out", "resume")
        }
        content = {"options": options, "found": self.found}
        write_atomically(self.json, (json.dumps(content, indent=1) + "\n").encode())
        write_atomically(self.markdown, page(content).encode())


def page(content: dict[str, Any]) -> str:
    """All tables, study by study, task by task."""
    options, found = content["options"], content["found"]
    shown = ", ".join(f"{k} {options[k]}" for k in ("model", "n_probe", "n_test", "seed", "seeds"))
    lines = ["# Robustness", "", f"Of `python benchmarks/robustness.py`: {shown}.", ""]
    for study in STUDIES:
        rows = [(task, known[study]) for task, known in found.items() if study in known]
        lines += [f"## {study.capitalize()}", ""] if rows else []
        for task, one in rows:
            lines += [f"### {study}: {task}", "", *said(one), ""]
    return "\n".join(lines).rstrip() + "\n"


def said(one: dict[str, Any]) -> list[str]:
    """The tables of one study, and what they were measured on."""
    if "left_out" in one:
        return [f"Left out: {one['left_out']}"]
    setting = one["setting"]
    where = f"{setting['model']}, {setting['dtype']} on {setting['device']}"
    return [f"{where}, {one['seconds']:.0f} s.", "", *one["tables"]]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS_BY_DEFAULT), choices=TASKS)
    parser.add_argument("--studies", nargs="+", default=list(STUDIES))
    parser.add_argument("--n-probe", type=int, default=500)
    parser.add_argument("--n-test", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=5, help="how many, from --seed on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--resume", action="store_true", help="keep what the JSON holds")
    parser.add_argument("--out", type=Path, default=Path("runs/robustness.json"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    quiet()
    vlm = open_vlm(options.model, device=options.device, dtype=options.dtype)
    bench = Bench(vlm, options)
    bench.run()
    print(bench.markdown.read_text() if bench.found else "Nothing to do.")


if __name__ == "__main__":
    main()
