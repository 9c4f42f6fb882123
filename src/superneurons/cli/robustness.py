"""``superneurons robustness``: what an accuracy is worth when something else changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from superneurons.cli import options
from superneurons.cli.data import read
from superneurons.cli.groups import Group
from superneurons.cli.studies import (
    asked,
    begin,
    finish,
    halves,
    named,
    numbers,
    opened,
    wordings_of,
)
from superneurons.errors import DataError

if TYPE_CHECKING:
    from superneurons.evaluate.robustness.crossing import Domain

__all__ = ["app", "depth", "overlap", "shift", "shuffled", "size", "wording"]

app = typer.Typer(
    cls=Group,
    help="Try what an accuracy is worth: other words, other pictures, shuffles, fewer labels.",
    no_args_is_help=True,
)

_Out: TypeAlias = Annotated[
    Path | None, typer.Option("--out", "-o", help="Also write the result to this JSON file.")
]
_Overwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file if it is there.")
]
_Fits: TypeAlias = Annotated[
    int, typer.Option("--seeds", min=1, help="How many seeds to fit with, from --seed on.")
]
_Draws: TypeAlias = Annotated[
    int, typer.Option("--seeds", min=2, help="How many times it is drawn anew, from --seed on.")
]
_SIZES = "10,30,100,300,1000,3000,5000"


@app.command("wording")
def wording(
    wordings: Annotated[
        list[str] | None,
        typer.Option(
            "--wording",
            "-w",
            metavar="TEXT",
            help="Another wording, with slots of --own; {word} is a nonsense word. May be "
            "repeated. With --task there are some by default.",
        ),
    ] = None,
    own: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="How the questions are worded, such as 'Is {x} in front of {y}?'; by default "
            "{question} stands for all of it.",
        ),
    ] = None,
    data: options.OtherData = None,
    test: options.TestData = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: options.NProbe = 300,
    n_test: options.NTest = 300,
    sprites: options.Sprites = "seen",
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    seeds: _Fits = 1,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    out: _Out = None,
    overwrite: _Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Fit on one wording of the question and ask in another, in all pairs."""
    from superneurons.evaluate.robustness.rewording import reworded
    from superneurons.evaluate.robustness.wording import study_wording

    begin(out, overwrite)
    probe, others = halves(data, test, task, question, n_probe, n_test, sprites, seed)
    own, known = wordings_of(task, own, wordings)
    for text in known:
        reworded([*probe, *others], text, own=own)
    vlm = opened(model, revision, dtype, device, trust_remote_code)
    found = study_wording(
        vlm, probe, others, known, own=own, seeds=range(seed, seed + seeds),
        **asked(prompt_order, prompt_template, batch_size),
    )  # fmt: skip
    finish(found, task or data, out, as_json)


@app.command("shift")
def shift(
    data: options.OtherData = None,
    other: Annotated[
        str | None, typer.Option(help="Labelled records of the other distribution.")
    ] = None,
    test: options.TestData = None,
    other_test: Annotated[
        str | None, typer.Option(help="Others of the other distribution, to score on.")
    ] = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: options.NProbe = 300,
    n_test: options.NTest = 300,
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    seeds: _Fits = 1,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    out: _Out = None,
    overwrite: _Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Fit on pictures of one distribution and test on another, in all four pairs.

    With --task: drawings that the model was trained on, and others.
    """
    from superneurons.evaluate.robustness.crossing import Domain
    from superneurons.evaluate.robustness.shift import check_domains, study_shift

    begin(out, overwrite)
    domains: list[Domain] = []
    if task is not None:
        if data or other or test or other_test:
            raise DataError("Both --task and data were given.", mend="Give one of the two.")
        for sprites in ("seen", "unseen"):
            pair = halves(None, None, task, None, n_probe, n_test, sprites, seed)
            domains.append(Domain(f"{sprites} drawings", *pair))
    else:
        if data is None or other is None:
            raise DataError("Two distributions are needed.", mend="Give --data and --other.")
        for name, (records, scored) in named([data, other], [test, other_test]).items():
            pair = halves(records, scored, None, question, n_probe, n_test, "seen", seed)
            domains.append(Domain(name, *pair))
    check_domains(domains)
    vlm = opened(model, revision, dtype, device, trust_remote_code)
    found = study_shift(
        vlm, domains, seeds=range(seed, seed + seeds),
        **asked(prompt_order, prompt_template, batch_size),
    )  # fmt: skip
    finish(found, task or data, out, as_json)


@app.command("shuffled")
def shuffled(
    data: options.OtherData = None,
    test: options.TestData = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: options.NProbe = 300,
    n_test: options.NTest = 300,
    sprites: options.Sprites = "seen",
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    seeds: _Draws = 5,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    out: _Out = None,
    overwrite: _Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Shuffle pictures, questions or labels, and say whether what is left is chance."""
    from superneurons.evaluate.robustness.shuffled import study_shuffled

    begin(out, overwrite)
    probe, others = halves(data, test, task, question, n_probe, n_test, sprites, seed)
    vlm = opened(model, revision, dtype, device, trust_remote_code)
    found = study_shuffled(
        vlm, probe, others, seeds=range(seed, seed + seeds),
        **asked(prompt_order, prompt_template, batch_size),
    )  # fmt: skip
    finish(found, task or data, out, as_json)


@app.command("size")
def size(
    data: options.OtherData = None,
    test: options.TestData = None,
    task: options.Task = None,
    sizes: Annotated[str, typer.Option(help="Records to fit on, with commas.")] = _SIZES,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: Annotated[
        int | None,
        typer.Option(min=8, help="With --task: records to draw from; the largest of --sizes."),
    ] = None,
    n_test: options.NTest = 300,
    sprites: options.Sprites = "seen",
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    seeds: _Fits = 5,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    out: _Out = None,
    overwrite: _Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Fit on ever more records: how many are needed, and where the base model is passed."""
    from superneurons.evaluate.robustness.size import check_sizes, study_size

    begin(out, overwrite)
    wanted = numbers(sizes)
    check_sizes(wanted, range(seeds))
    drawn = n_probe or max(8, *wanted)
    probe, others = halves(data, test, task, question, drawn, n_test, sprites, seed)
    vlm = opened(model, revision, dtype, device, trust_remote_code)
    found = study_size(
        vlm, probe, others, sizes=wanted, seeds=range(seed, seed + seeds),
        **asked(prompt_order, prompt_template, batch_size),
    )  # fmt: skip
    finish(found, task or data, out, as_json)


@app.command("overlap")
def overlap(
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", help="An embedded task; give several.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", "-d", help="Labelled records of a task; likewise.")
    ] = None,
    model: options.Model = "demo",
    question: options.Question = None,
    most: Annotated[int, typer.Option("--neurons", min=1, help="Best of each that count.")] = 100,
    n_probe: options.NProbe = 300,
    sprites: options.Sprites = "seen",
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    out: _Out = None,
    overwrite: _Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Compare the neurons of several tasks with each other and with chance."""
    from superneurons.demo.tasks import make_task
    from superneurons.evaluate.robustness.overlap import check_learnable, study_overlap

    begin(out, overwrite)
    files = named(data or [], [None] * len(data or []))
    if len({*files, *(task or [])}) < 2:
        raise DataError("Several tasks are needed.", mend="Repeat --task or --data.")
    tasks = {name: read(path, question) for name, (path, _) in files.items()}
    for name in dict.fromkeys(task or []):
        tasks[name] = make_task(name, n=n_probe, sprites=sprites, seed=seed)
    check_learnable(tasks, seed=seed)
    vlm = opened(model, revision, dtype, device, trust_remote_code)
    found = study_overlap(
        vlm, tasks, most=most, seed=seed, **asked(prompt_order, prompt_template, batch_size)
    )
    finish(found, ", ".join(tasks), out, as_json)


@app.command("depth")
def depth(
    data: options.OtherData = None,
    test: options.TestData = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: options.NProbe = 300,
    n_test: options.NTest = 300,
    sprites: options.Sprites = "seen",
    shuffles: Annotated[int, typer.Option(min=20, help="Label shuffles of the null.")] = 200,
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    seeds: _Fits = 1,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    out: _Out = None,
    overwrite: _Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Count neurons layer by layer, and try whether the first layer suffices."""
    from superneurons.evaluate.readings import two_answers
    from superneurons.evaluate.robustness.depth import study_depth

    begin(out, overwrite)
    probe, others = halves(data, test, task, question, n_probe, n_test, sprites, seed)
    two_answers(probe, seed)
    vlm = opened(model, revision, dtype, device, trust_remote_code)
    found = study_depth(
        vlm, probe, others, shuffles=shuffles, seeds=range(seed, seed + seeds),
        **asked(prompt_order, prompt_template, batch_size),
    )  # fmt: skip
    finish(found, task or data, out, as_json)
