"""``superneurons demo``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet, step
from superneurons.cli.report import keep, origin_of

__all__ = ["demo"]

_DEFAULT_OUT = Path("runs")
_CLASSIFIER = "classifier"


def demo(
    task: Annotated[str, typer.Option(help="One of `superneurons tasks list`.")] = "dark",
    probe: Annotated[int, typer.Option(min=8, help="Labelled records to fit on.")] = 500,
    test: Annotated[int, typer.Option(min=8, help="Other records to score on.")] = 300,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Directory for classifier and report.")
    ] = None,
    report: options.Kept = True,
    seed: options.Seed = 0,
    batch_size: options.BatchSize = 8,
    as_json: options.Json = False,
) -> None:
    """Show the whole job on the embedded model: find Super Neurons, score them, time them."""
    from superneurons.cli.table import print_comparison
    from superneurons.demo.tasks import make_task
    from superneurons.evaluate.depths import compare_depths
    from superneurons.vlm.opening import open_vlm

    quiet()
    directory = out or _DEFAULT_OUT / f"demo-{task}"
    earlier = _free(directory, given=out is not None)
    records = make_task(task, n=probe, split="probe", seed=seed)
    others = make_task(task, n=test, split="test", seed=seed)
    with step("opening the model"):
        vlm = open_vlm("demo")
    seen: list[Any] = []
    found, classifier = compare_depths(
        vlm, records, others, read_outs=("paper", "super-neurons"), batch_size=batch_size,
        seed=seed, steps=step, witness=lambda *what: seen.extend(what),
    )  # fmt: skip
    if earlier:
        shutil.rmtree(directory)
    classifier.save_pretrained(directory / _CLASSIFIER)
    if as_json:
        print_json({"task": task, **found.as_dict()})
    else:
        print(f"Task: {task}, e.g. {records[0].question!r}")
        print_comparison(found)
    if report:
        from superneurons.report.gather import gather_demo

        parts: Any = (found, classifier, *seen, origin_of(task, None))
        keep(directory, lambda: gather_demo(*parts), as_json=as_json)
    print(
        f"Saved {directory}/{_CLASSIFIER}. With your own model and pictures: superneurons fit "
        "--model <directory or hub id> --data <labelled.jsonl> --out <classifier>",
        file=sys.stderr if as_json else sys.stdout,
    )


def _free(directory: Path, *, given: bool) -> bool:
    """Return whether an earlier demo makes room, where the user didn't name the directory."""
    from superneurons.shortcut.artefact import check_output

    earlier = not given and (directory / _CLASSIFIER / "config.json").exists()
    if not earlier:
        check_output(directory)
    return earlier
