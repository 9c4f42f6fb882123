"""``superneurons demo``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet, step

__all__ = ["demo"]

_DEFAULT_OUT = Path("runs")


def demo(
    task: Annotated[str, typer.Option(help="One of `superneurons tasks list`.")] = "dark",
    probe: Annotated[int, typer.Option(min=8, help="Labelled records to fit on.")] = 500,
    test: Annotated[int, typer.Option(min=8, help="Other records to score on.")] = 300,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Directory for classifier and run.json.")
    ] = None,
    seed: options.Seed = 0,
    batch_size: options.BatchSize = 8,
    as_json: options.Json = False,
) -> None:
    """Show the whole job on the embedded model: find Super Neurons, score them, time them."""
    from superneurons.activations.store import write_atomically
    from superneurons.cli.table import print_comparison
    from superneurons.demo.tasks import make_task
    from superneurons.evaluate.depths import compare_depths
    from superneurons.vlm.opening import open_vlm

    quiet()
    directory = _free(out or _DEFAULT_OUT / f"demo-{task}", given=out is not None)
    records = make_task(task, n=probe, split="probe", seed=seed)
    others = make_task(task, n=test, split="test", seed=seed)
    with step("opening the model"):
        vlm = open_vlm("demo")
    found, classifier = compare_depths(
        vlm, records, others, read_outs=("paper", "super-neurons"), batch_size=batch_size,
        seed=seed, steps=step,
    )  # fmt: skip
    classifier.save_pretrained(directory / "classifier")
    run = {"task": task, **found.as_dict()}
    write_atomically(directory / "run.json", _json(run))
    if as_json:
        print_json(run)
    else:
        print(f"Task: {task}, e.g. {records[0].question!r}")
        print_comparison(found)
    print(
        f"Saved {directory}/classifier and {directory}/run.json. With your own model and pictures: "
        "superneurons fit --model <directory or hub id> --data <labelled.jsonl> --out <classifier>",
        file=sys.stderr if as_json else sys.stdout,
    )


def _free(directory: Path, *, given: bool) -> Path:
    """Return the directory, emptied of an earlier demo where the user didn't name it."""
    from superneurons.shortcut.artefact import check_output

    if directory.exists() and not given and (directory / "run.json").exists():
        shutil.rmtree(directory)
    check_output(directory)
    return directory


def _json(run: dict[str, object]) -> bytes:
    import json

    return (json.dumps(run, indent=2, ensure_ascii=False) + "\n").encode()
