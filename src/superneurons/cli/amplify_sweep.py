"""``superneurons amplify sweep`` and ``superneurons amplify report``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeVar

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, print_whole, quiet, step
from superneurons.errors import DataError

if TYPE_CHECKING:
    from superneurons.amplify.report import SweepReport
    from superneurons.amplify.tasks import TextTask

__all__ = ["report", "sweep"]

_Number = TypeVar("_Number", int, float)

_Sweep: TypeAlias = Annotated[Path, typer.Argument(help="Directory that `amplify sweep` wrote.")]
_Markdown: TypeAlias = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]
_Out: TypeAlias = Annotated[
    Path, typer.Option("--out", "-o", help="Directory for results; an earlier one goes on.")
]
_Names: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Embedded tasks such as addition,similes; all twelve by default.", show_default=False
    ),
]
_Prompts: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Tasks of one's own: JSON Lines with task, field, prompt, target, control."),
]
_Sentiment: TypeAlias = Annotated[
    Path | None, typer.Option(help="Add sentences of a file as of SST-2: sentence, tab, 0 or 1.")
]
_Most: TypeAlias = Annotated[
    int, typer.Option(min=4, help="With --sentiment: take no more than so many sentences.")
]
_Layers: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Such as 3,8,13; by default six, evenly over the model.", show_default=False),
]
_Counts: TypeAlias = Annotated[str, typer.Option(help="Numbers of neurons.")]
_Multipliers: TypeAlias = Annotated[str, typer.Option(help="What they are multiplied by.")]
_Draws: TypeAlias = Annotated[int, typer.Option(min=1, help="Sets of random neurons per layer.")]
_Scoring: TypeAlias = Annotated[
    Literal["difference", "standardised", "magnitude"],
    typer.Option(help="What makes a neuron the task's."),
]


def sweep(
    out: _Out,
    model: options.Model = "demo",
    tasks: _Names = None,
    prompts: _Prompts = None,
    sentiment: _Sentiment = None,
    most: _Most = 200,
    layers: _Layers = None,
    counts: _Counts = "20,100",
    multipliers: _Multipliers = "1.5,2,4",
    draws: _Draws = 2,
    scoring: _Scoring = "difference",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Try layers, counts and multipliers on text tasks, with controls; go on where it stopped."""
    from superneurons.amplify.effects import side_effects
    from superneurons.amplify.language import open_language_model
    from superneurons.amplify.report import sweep_report
    from superneurons.amplify.sweep import Grid
    from superneurons.amplify.sweep import sweep as swept_over

    quiet()
    chosen = _tasks(tasks, prompts, sentiment, most)
    tried = _numbers(counts, "--counts", int), _numbers(multipliers, "--multipliers", float)
    some = None if layers is None else _numbers(layers, "--layers", int)
    _check_place(out.expanduser())
    with step("opening the model"):
        opened = open_language_model(
            model, dtype=dtype, device=device, revision=revision,
            trust_remote_code=trust_remote_code,
        )  # fmt: skip
    grid = Grid(some or _spread(opened.n_layers), *tried, draws, scoring, seed)
    with step("sweeping") as told:
        found = swept_over(opened, chosen, grid, out.expanduser(), progress=told)
    with step("looking elsewhere") as told:
        effects = side_effects(opened, found, progress=told)
    made = sweep_report(found, effects, model=model)
    made.save(out.expanduser())
    _print(made, as_json=as_json, markdown=False)


def report(directory: _Sweep, markdown: _Markdown = False, as_json: options.Json = False) -> None:
    """Print the tables of a sweep again, without its model."""
    from superneurons.amplify.report import SweepReport

    _print(SweepReport.load(directory.expanduser()), as_json=as_json, markdown=markdown)


def _print(made: SweepReport, *, as_json: bool, markdown: bool) -> None:
    if as_json:
        print_json(made.as_dict())
    elif markdown:
        print(made.markdown(), end="")
    else:
        for table in made.tables:
            print_whole(table.rich())
            print(table.note)


def _check_place(directory: Path) -> None:
    from superneurons.activations.store import write_atomically

    trial, new = directory / ".trial", not directory.exists()
    write_atomically(trial, b"")
    trial.unlink()
    if new:
        directory.rmdir()


def _tasks(
    names: str | None, prompts: Path | None, sentiment: Path | None, most: int
) -> list[TextTask]:
    from superneurons.amplify.sentiment import sentiment_task
    from superneurons.amplify.tasks import read_tasks, text_tasks

    chosen: list[TextTask] = []
    if prompts is not None:
        chosen += read_tasks(prompts.expanduser())
    if names is not None or (prompts is None and sentiment is None):
        chosen += text_tasks(None if names is None else [part.strip() for part in names.split(",")])
    if sentiment is not None:
        chosen.append(sentiment_task(sentiment.expanduser(), most=most))
    return chosen


def _spread(depth: int, most: int = 6) -> tuple[int, ...]:
    """The middles of as many equal parts of the model."""
    parts = min(depth, most)
    return tuple(1 + (2 * part + 1) * depth // (2 * parts) for part in range(parts))


def _numbers(text: str, name: str, kind: Callable[[str], _Number]) -> tuple[_Number, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(
            f"{name} is {text!r}.", where=name, mend="Give numbers with commas, such as 5,12."
        ) from error
