"""``superneurons cascade``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

from superneurons.cli import options
from superneurons.cli.data import task_or_data
from superneurons.cli.output import print_json, print_whole, quiet, step
from superneurons.errors import DataError

if TYPE_CHECKING:
    from superneurons.evaluate.cascades import CascadeReport, StageRow
    from superneurons.evaluate.intervals import Interval

__all__ = ["cascade"]

_Number = TypeVar("_Number", int, float)

_Target: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Wanted share of right answers; by default that of always going to the end.",
        show_default=False,
    ),
]
_Layers: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Where it may stop, such as 5,12; by default where the answer begins to show, where "
        "it is there, and at the end.",
        show_default=False,
    ),
]
_Costs: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="With --layers: cost of a record that stops at each, then at the base model's answer, "
        "such as measured milliseconds; by default the layers that run.",
        show_default=False,
    ),
]
_Base: TypeAlias = Annotated[
    bool, typer.Option(help="Ask the base model where no stage is sure, or else the deepest stage.")
]
_Resolution: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="See pictures at so many pixels per side, fewer being faster; by default as the model "
        "was made for.",
        show_default=False,
    ),
]
_Out: TypeAlias = Annotated[Path | None, typer.Option("--out", "-o", help="Save the cascade here.")]


def cascade(
    data: options.OtherData = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n: Annotated[int, typer.Option("--n", "-n", min=8, help="With --task: records.")] = 300,
    sprites: options.Sprites = "seen",
    target_accuracy: _Target = None,
    layers: _Layers = None,
    costs: _Costs = None,
    base_answer: _Base = True,
    out: _Out = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the cascade.")] = False,
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    resolution: _Resolution = None,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Stop at the first layer that is sure enough, go on where it isn't; verify what that gives."""
    from superneurons.evaluate.cascades import cascade_report
    from superneurons.shortcut.artefact import check_output
    from superneurons.shortcut.cascade import Cascade

    quiet()
    if out is not None:
        check_output(out.expanduser(), overwrite=overwrite)
    records, _ = task_or_data(data, None, task, question, n, 8, sprites, seed)
    fitted = Cascade(
        model, layers=_numbers(layers, "--layers", int), target_accuracy=target_accuracy,
        costs=_numbers(costs, "--costs", float), base_answer=base_answer,
        prompt_order=prompt_order, prompt_template=prompt_template, resolution=resolution,
        batch_size=batch_size, random_state=seed,
        dtype=dtype, device=device, revision=revision, trust_remote_code=trust_remote_code,
    )  # fmt: skip
    with step("fitting") as told:
        fitted.fit(records, progress=told)
    if out is not None:
        fitted.save_pretrained(out.expanduser(), overwrite=overwrite)
    report = cascade_report(fitted, seed=seed)
    if as_json:
        more = {"task": task, "path": fitted.path, "cascade": None if out is None else str(out)}
        print_json(more | report.as_dict())
        return
    print(f"{task or data}, e.g. {records[0].question!r}")
    _print(report)
    if fitted.path == "anew":
        print(f"Records that go on start anew: {fitted.reason}.")
    if out is not None:
        typed = quote(str(out))
        print(f"Saved to {out}. Next: superneurons predict {typed} --data <other pictures>")


def _numbers(text: str | None, name: str, kind: Callable[[str], _Number]) -> list[_Number] | None:
    if text is None:
        return None
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise DataError(
            f"{name} is {text!r}.", where=name, mend="Give numbers with commas, such as 5,12."
        ) from error


def _print(report: CascadeReport) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in (
        "threshold", "answers here", "right of these (95 %)", "goes on",
        "alone: accuracy (95 %)", "balanced (95 %)",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for row in report.stages:
        table.add_row(row.name, *_cells(row))
    scores = report.scores
    table.add_row(
        "cascade", "", f"{1:.0%}", "", "",
        _with_interval(scores.accuracy, scores.accuracy_interval),
        _with_interval(scores.balanced_accuracy, scores.balanced_accuracy_interval),
    )  # fmt: skip
    print_whole(table)
    console = Console(width=None if Console().is_terminal else 140)
    for line in _sentences(report):
        console.print(line, highlight=False)


def _cells(row: StageRow) -> tuple[str, ...]:
    right = "–"
    if row.right is not None and row.right_interval is not None:
        right = _with_interval(row.right, row.right_interval)
    alone = row.alone
    return (
        "never" if row.threshold is None else f"{row.threshold:.3f}" if row.threshold else "always",
        f"{row.share:.0%}",
        right,
        f"{row.goes_on:.0%}",
        _with_interval(alone.accuracy, alone.accuracy_interval),
        _with_interval(alone.balanced_accuracy, alone.balanced_accuracy_interval),
    )


def _with_interval(value: float, interval: Interval) -> str:
    return f"{100 * value:.1f} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})"


def _sentences(report: CascadeReport) -> Iterator[str]:
    sizes, found = report.sizes, report.scores
    aim = "asked for" if report.given else "that of going to the end"
    met = "reached" if report.met else "NOT reached, by any thresholds"
    yield (
        f"Target {report.target:.1%} ({aim}): {met} on the {sizes['chosen_on']} records that chose "
        f"the thresholds ({report.reached:.1%})."
    )
    held = "holds" if report.held else "does NOT hold"
    aim = "target" if report.given else "accuracy of going to the end"
    low, high = found.accuracy_interval
    yield (
        f"On {sizes['verified_on']} others the {aim}, {report.wanted:.1%}, {held}: "
        f"{found.accuracy:.1%} ({low:.0%} to {high:.0%})."
    )
    lead = report.against_end
    yield (
        f"Against always going to the end: {100 * lead.difference:+.1f} points of accuracy "
        f"({100 * lead.interval[0]:+.0f} to {100 * lead.interval[1]:+.0f})."
    )
    unit = "layers" if report.unit == "layers" else "of the costs given"
    yield (
        f"Expected cost: {report.cost:.1f} of {report.whole:g} {unit} "
        f"({report.relative_cost:.0%}); {1 - report.stages[0].share:.0%} of the records go on "
        "after the first stage."
    )
    yield f"Read-outs were fitted on {sizes['fitted_on']} records that are in neither part."
