"""``superneurons tasks``: the embedded tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json

__all__ = ["app", "list_tasks", "make"]

app = typer.Typer(help="The embedded tasks.", no_args_is_help=True)


@app.command("list")
def list_tasks(as_json: options.Json = False) -> None:
    """List the embedded tasks."""
    from superneurons.demo.tasks import TASKS

    if as_json:
        print_json(
            [
                {"name": t.name, "trained": t.trained, "description": t.description}
                for t in TASKS.values()
            ]
        )
        return
    for task in TASKS.values():
        known = "trained" if task.trained else "not trained"
        print(f"{task.name:<22} {known:<12} {task.description}")


@app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="One of `superneurons tasks list`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory to write to.")],
    n: Annotated[int, typer.Option("--n", "-n", min=2, help="Number of records.")] = 500,
    split: Annotated[Literal["probe", "test"], typer.Option(help="Which split.")] = "probe",
    sprites: Annotated[
        Literal["seen", "unseen"], typer.Option(help="Drawings the model was trained on, or not.")
    ] = "seen",
    seed: options.Seed = 0,
) -> None:
    """Write an embedded task as PNG pictures and records.jsonl, to look at or to fit on."""
    from superneurons.demo.tasks import make_task
    from superneurons.demo.write import write_task

    written = write_task(make_task(name, n=n, split=split, sprites=sprites, seed=seed), out)
    print(written)
