"""``superneurons tasks``: the embedded tasks, and published ones in the files of their authors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from superneurons.cli import options
from superneurons.cli.groups import Group
from superneurons.cli.output import print_json

__all__ = ["app", "check", "convert", "list_tasks", "make", "show"]

app = typer.Typer(cls=Group, help="The embedded tasks, and published ones.", no_args_is_help=True)

SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="Leave out rows that cannot be read or lack their pictures."),
]


@app.command("list")
def list_tasks(as_json: options.Json = False) -> None:
    """List the embedded tasks, and the published ones that can be read."""
    from superneurons.cli.tasks_shown import embedded_as_dict, task_as_dict
    from superneurons.demo.tasks import TASKS
    from superneurons.task.published.registry import published

    if as_json:
        embedded = map(embedded_as_dict, TASKS)
        print_json([*embedded, *map(task_as_dict, published().values())])
        return
    for task in TASKS.values():
        known = "trained" if task.trained else "not trained"
        print(f"{task.name:<22} {known:<12} {task.description}")
    print("\nPublished, as NAME:DIR@SPLIT (see `superneurons tasks show NAME`):")
    for one in published().values():
        print(f"{one.name:<28} {one.title}: {', '.join(one.splits)}")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="One of `superneurons tasks list`.")],
    as_json: options.Json = False,
) -> None:
    """Show what a published task asks, what to download, and where to put it."""
    from superneurons.cli.tasks_shown import (
        check_known,
        embedded_as_dict,
        task_as_dict,
        task_lines,
    )
    from superneurons.task.published.registry import find_task, published

    check_known(name)
    embedded = None if name in published() else embedded_as_dict(name)
    if embedded is not None:
        if as_json:
            print_json(embedded)
        else:
            print("\n".join(f"{key:<12} {value}" for key, value in embedded.items()))
        return
    task = find_task(name)
    if as_json:
        print_json(task_as_dict(task))
        return
    print("\n".join(task_lines(task)))


@app.command("check")
def check(
    directory: Annotated[Path, typer.Argument(help="Where published tasks were downloaded to.")],
    task: Annotated[
        str | None, typer.Option("--task", "-t", help="This one only, and all it lacks.")
    ] = None,
    skip_bad: SkipBad = False,
    as_json: options.Json = False,
) -> None:
    """Read the published tasks of a folder; exit code 2 when something of them is missing."""
    from superneurons.cli.tasks_shown import check_kind, checked_as_dict, checked_lines
    from superneurons.task.published.check import check_tasks

    if task is not None:
        check_kind(task, "published")
    found = check_tasks(directory, task)
    if as_json:
        print_json([checked_as_dict(one) for one in found])
    else:
        print("\n".join(line for one in found for line in checked_lines(one)))
    if not all(one.usable if skip_bad else one.complete for one in found):
        raise typer.Exit(2)


@app.command("convert")
def convert(
    name: Annotated[str, typer.Argument(help="A published task of `superneurons tasks list`.")],
    directory: Annotated[Path, typer.Argument(help="Where it was downloaded to.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON Lines file to write.")],
    split: Annotated[
        str | None,
        typer.Option(help="One of its splits; 'probe' draws the paper's probing set."),
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", "-n", min=2, help="Draw a probing set of so many.")
    ] = None,
    seed: options.Seed = 0,
    skip_bad: SkipBad = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file that is there.")
    ] = False,
) -> None:
    """Write a published task as JSON Lines that every command reads, with pictures by path."""
    from superneurons.cli.output import quiet
    from superneurons.cli.tasks_shown import check_kind
    from superneurons.task.published.convert import check_place, write_records
    from superneurons.task.published.source import Source

    quiet()
    check_kind(name, "published")
    out = out.expanduser()
    check_place(out, overwrite=overwrite)
    records = Source(name, directory.expanduser(), split, skip_bad, n, seed).read()
    print(write_records(records, out, overwrite=overwrite))


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
    from superneurons.cli.tasks_shown import check_kind
    from superneurons.demo.tasks import make_task
    from superneurons.demo.write import check_free, write_task

    check_kind(name, "embedded")
    out = out.expanduser()
    check_free(out)
    written = write_task(make_task(name, n=n, split=split, sprites=sprites, seed=seed), out)
    print(written)
