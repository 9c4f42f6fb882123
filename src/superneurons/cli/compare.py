"""``superneurons compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from superneurons.cli import options
from superneurons.cli.data import check_parts, task_or_data
from superneurons.cli.output import print_json, quiet, step
from superneurons.cli.report import check_kept, keep, origin_of

__all__ = ["compare"]

# Written out, so that --help need not import what computes.
_KEYS = (
    "super-neurons, super-neurons-all-layers, super-neurons-by-option (more than two answers), "
    "paper, paper-mean, super-neurons-mlp, super-neurons-heads, savs, savs-soft, logistic, knn, "
    "vision, vision-neurons, projector; and, on request only, super-neurons-generated, "
    "paper-generated"
)

_Folds: TypeAlias = Annotated[
    int,
    typer.Option(min=2, help="Parts that --data is cut into by picture, where there is no --test."),
]
_ReadOuts: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--read-out", "-r", help=f"Only this one; may be repeated. One of: {_KEYS}."),
]

_Generate: TypeAlias = Annotated[
    bool, typer.Option(help="Let the base model also generate its answers.")
]


def compare(
    data: options.OtherData = None,
    test: options.TestData = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: options.NProbe = 300,
    n_test: options.NTest = 300,
    sprites: options.Sprites = "seen",
    folds: _Folds = 5,
    read_out: _ReadOuts = None,
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    generate: _Generate = True,
    shuffles: Annotated[int, typer.Option(min=20, help="Label shuffles of the null.")] = 200,
    repeats: Annotated[int, typer.Option(min=0, help="Rounds of the timing; 0 for none.")] = 5,
    out: options.KeptIn = None,
    overwrite: options.Replace = False,
    report: options.Report = True,
    thumbnails: options.Thumbnails = True,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Compare all read-outs with everything they have to beat, and recommend one."""
    from superneurons.cli.table import print_contest
    from superneurons.evaluate.compare import compare as run
    from superneurons.evaluate.entries import chosen_entries
    from superneurons.vlm.opening import open_vlm
    from superneurons.vlm.prompt import Prompt

    quiet()
    prompt = Prompt(prompt_order, prompt_template)
    check_kept(out, overwrite=overwrite)
    chosen_entries(read_out, many=True)
    probe, others = task_or_data(data, test, task, question, n_probe, n_test, sprites, seed)
    check_parts(probe, others, folds=folds, seed=seed)
    with step("opening the model"):
        vlm = open_vlm(
            model, revision=revision, dtype=dtype, device=device,
            trust_remote_code=trust_remote_code,
        )  # fmt: skip
    seen: list[Any] = []
    found = run(
        vlm, probe, others, read_outs=read_out, prompt=prompt, generate=generate, folds=folds,
        batch_size=batch_size, repeats=repeats, shuffles=shuffles, seed=seed, steps=step,
        witness=seen.append if out is not None else None,
    )  # fmt: skip
    if as_json:
        print_json({"task": task, **found.as_dict()})
    else:
        print(f"{task or data}, e.g. {probe[0].question!r}")
        print_contest(found)
    if out is not None:
        parts = (found, *seen, origin_of(task, data, thumbnails))
        _keep(out, parts, page=report, as_json=as_json)


def _keep(out: Path, parts: tuple[Any, ...], **how: bool) -> None:
    from superneurons.report.gather import gather_compare

    keep(out, lambda: gather_compare(*parts), **how)
