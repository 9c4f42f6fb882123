"""``superneurons reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet, step
from superneurons.errors import DataError, Problem

if TYPE_CHECKING:
    from superneurons.evaluate.reproduction.reproduced import Reproduction
    from superneurons.evaluate.reproduction.settings import Settings

__all__ = ["reproduce"]

# With --again, where things are may change, but nothing that decides the figures.
_PLACES = ("model", "data", "test", "device")
_BESIDE = {"again", "out", "overwrite", "trust_remote_code", "as_json", *_PLACES}

_TaskName: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="TASK",
        help="An embedded task; or, with --data and --test, the name of a published one (pope, "
        "vizwiz, …), whose rows of the paper are then shown, or any other name.",
        show_default=False,
    ),
]
_Data: TypeAlias = Annotated[
    str | None,
    typer.Option("--data", "-d", help="Records to find neurons on, such as pope:DIR@train."),
]
_Test: TypeAlias = Annotated[
    str | None, typer.Option("--test", help="Records to score on, such as pope:DIR@random.")
]
_Again: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Run a kept reproduction.json again, and say whether all figures are the same.",
        show_default=False,
    ),
]
_Row: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Whose printed rows to show: llava-7b, llava-13b, qwen3-vl-4b, qwen3-vl-32b; by "
        "default those of the model, by its family and shape.",
        show_default=False,
    ),
]
_Positions: TypeAlias = Annotated[
    list[str],
    typer.Option(
        help="Token that neurons are read at, last_prompt or first_generated; give both to "
        "read both."
    ),
]
_Step: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Step of the sweep of SNt; by default the paper's, 0.01 for LLaVA, else 0.001.",
        show_default=False,
    ),
]
_NProbe: TypeAlias = Annotated[
    int, typer.Option(help="Binary questions to find neurons on, balanced; at most.")
]
_NTest: TypeAlias = Annotated[
    int | None,
    typer.Option(help="Records to score on, at most; by default all, of an embedded task 300."),
]
_MaxLayer: TypeAlias = Annotated[
    int | None, typer.Option(help="The last layer that may be read; by default the model's last.")
]
_Out: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="Keep it here, as reproduction.json, to be run --again.",
        show_default=False,
    ),
]  # fmt: skip


def reproduce(
    ctx: typer.Context,
    task: _TaskName = None,
    model: options.OtherModel = None,
    data: _Data = None,
    test: _Test = None,
    again: _Again = None,
    row: _Row = None,
    question: options.Question = None,
    n_probe: _NProbe = 3000,
    n_test: _NTest = None,
    sprites: options.Sprites = "seen",
    position: _Positions = ["last_prompt"],  # noqa: B006 (typer copies it)
    max_layer: _MaxLayer = None,
    margin_step: _Step = None,
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    generate: Annotated[bool, typer.Option(help="Let the base model also generate.")] = True,
    shuffles: Annotated[int, typer.Option(help="Label shuffles of the null.")] = 200,
    out: _Out = None,
    overwrite: options.Replace = False,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Run a task as the paper does, and show its printed figures beside ours.

    Exits with 2 when figures of a run --again differ.
    """
    from superneurons.evaluate.reproduction.settings import Settings

    quiet()
    if again is not None:
        _again(again, _given(ctx), out, overwrite, trust_remote_code, as_json)
        return
    settings = Settings(
        _named(task), data, test, question, sprites, n_probe, n_test, model or "demo", revision,
        dtype, device, row, cast(Any, tuple(dict.fromkeys(position))), max_layer, margin_step,
        prompt_order=prompt_order, prompt_template=prompt_template, generate=generate,
        shuffles=shuffles, batch_size=batch_size, seed=seed,
    )  # fmt: skip
    found = _run(settings, out, overwrite, trust_remote_code)
    _keep(found, out)
    _show(found, as_json)


def _named(task: str | None) -> str:
    if task is None:
        raise DataError(
            "No task was named.",
            where="TASK",
            mend="Name one (`superneurons tasks list`), or give --again FILE.",
        )
    return task


def _given(ctx: typer.Context) -> dict[str, Any]:
    """The options that the user typed, by parameter."""
    return {
        name: value
        for name, value in ctx.params.items()
        if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }


def _run(
    settings: Settings, out: Path | None, overwrite: bool, trust: bool, **more: Any
) -> Reproduction:
    from superneurons.evaluate.reproduction.reproduce import reproduce as run
    from superneurons.report.reproduction import check_place

    if out is not None:
        check_place(out.expanduser(), overwrite=overwrite)
    return run(settings, trust_remote_code=trust, steps=step, **more)


def _again(
    file: Path,
    given: Mapping[str, Any],
    out: Path | None,
    overwrite: bool,
    trust: bool,
    as_json: bool,
) -> None:
    from superneurons.cli.reproduce_table import print_agreement
    from superneurons.evaluate.reproduction.agreement import agreement
    from superneurons.report.reproduction import read_reproduction

    _refuse_others(given)
    kept = read_reproduction(file.expanduser())
    moved = {name: given[name] for name in _PLACES if name in given}
    settings = replace(kept.settings, **moved)
    found = _run(settings, out, overwrite, trust, expected=kept.measured)
    _keep(found, out)
    same = agreement(kept, found)
    if as_json:
        print_json({**found.as_dict(), "again": same.as_dict()})
    else:
        _show(found, as_json)
        print_agreement(same, file)
    if not same.equal:
        sys.exit(2)


def _refuse_others(given: Mapping[str, Any]) -> None:
    problems = [
        Problem(
            "TASK" if name == "task" else f"--{name.replace('_', '-')}", "is decided by the file"
        )
        for name in given
        if name not in _BESIDE
    ]
    if problems:
        raise DataError(
            "--again runs what the file says.",
            problems=problems,
            mend="Leave these out. Only where things are may change: "
            + ", ".join(f"--{name}" for name in _PLACES) + ".",
        )  # fmt: skip


def _show(found: Reproduction, as_json: bool) -> None:
    from superneurons.cli.reproduce_table import print_reproduction

    if as_json:
        print_json(found.as_dict())
    else:
        print_reproduction(found)


def _keep(found: Reproduction, out: Path | None) -> None:
    from superneurons.report.reproduction import write_reproduction

    if out is not None:
        print(f"Kept {write_reproduction(out.expanduser(), found)}", file=sys.stderr)
