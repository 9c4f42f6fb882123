"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from superneurons.errors import DataError
from superneurons.vlm.acceleration import Acceleration
from superneurons.vlm.preparation import Preparation
from superneurons.vlm.prompt import Prompt

__all__ = [
    "Accelerated",
    "BatchSize",
    "Data",
    "Device",
    "Dtype",
    "Json",
    "Kept",
    "KeptIn",
    "Model",
    "MovedModel",
    "NProbe",
    "NTest",
    "Order",
    "OtherData",
    "OtherModel",
    "Prepared",
    "Question",
    "Replace",
    "Report",
    "Revision",
    "Seed",
    "Sprites",
    "Task",
    "Template",
    "TestData",
    "Thumbnails",
    "Trust",
]

_MOST = 2**31 - 1  # studies count on from a seed; generators take half as much again


def _model(context: typer.Context, given: str | None) -> str | None:
    # Other machines may have what this one lacks.
    elsewhere = any(parameter.name == "engine" for parameter in context.command.params)
    if given is not None and not elsewhere:
        from superneurons.vlm.naming import check_name

        check_name(given)
    return given


Model: TypeAlias = Annotated[
    str,
    typer.Option("--model", "-m", callback=_model, help="'demo', a local directory, or a hub id."),
]
OtherModel: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", callback=_model, help="'demo' (the default), a local directory, or a "
        "hub id.",
        show_default=False,
    ),
]  # fmt: skip
MovedModel: TypeAlias = Annotated[
    str | None,
    typer.Option("--model", "-m", callback=_model, help="The base model, if it is elsewhere now."),
]
Data: TypeAlias = Annotated[
    str,
    typer.Option(
        "--data",
        "-d",
        help="JSONL, CSV or Parquet file (image, question, label, …), a folder with one folder "
        "per label, a saved Hugging Face dataset, '-' for JSONL on standard input, or a published "
        "task as NAME:DIR@SPLIT, such as pope:/data/pope@random (see `superneurons tasks`).",
    ),
]
OtherData: TypeAlias = Annotated[
    str | None,
    typer.Option("--data", "-d", help="Labelled records, in any form that `fit` reads."),
]
TestData: TypeAlias = Annotated[
    str | None, typer.Option("--test", help="Other labelled records, to score on.")
]
Task: TypeAlias = Annotated[
    str | None, typer.Option("--task", "-t", help="An embedded task instead of --data.")
]
NProbe: TypeAlias = Annotated[int, typer.Option(min=8, help="With --task: records to fit on.")]
NTest: TypeAlias = Annotated[int, typer.Option(min=8, help="With --task: records to score on.")]
Sprites: TypeAlias = Annotated[
    Literal["seen", "unseen"],
    typer.Option(help="With --task: drawings the model was trained on, or not."),
]


def _question(given: str | None) -> str | None:
    if given is not None and not given.strip():
        raise DataError(
            "The question is empty.", where="--question", mend="Leave it out, or ask something."
        )
    return given


Question: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--question", "-q", callback=_question, help="The question, where the data has none."
    ),
]
BatchSize: TypeAlias = Annotated[int, typer.Option(min=1, help="Records per forward pass.")]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        help="cpu, cuda:0, mps, or auto. cuda:0,cuda:1 lays a model that one GPU can't hold over "
        "two, layer by layer."
    ),
]
Accelerated: TypeAlias = Annotated[
    Acceleration,
    typer.Option(
        help="How early exits run. off: the plain model, cut off; lean: only what is read; graphs: "
        "that as CUDA graphs; compiled: with fused kernels, which takes a while to begin with; "
        "fp8: 8-bit products, less exact; auto: graphs on a GPU, else lean."
    ),
]
Prepared: TypeAlias = Annotated[
    Preparation,
    typer.Option(
        help="Where pictures are prepared. processor: on the CPU; device: on the model's device; "
        "jpeg: there, and JPEG files are decoded there too, to pixels a little off (needs CUDA and "
        "torchvision); auto: device on a GPU, else processor."
    ),
]
Dtype: TypeAlias = Annotated[
    Literal["auto", "float32", "float16", "bfloat16"],
    typer.Option(help="Of the weights; auto: float32 on a CPU, else as stored."),
]
Revision: TypeAlias = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of a model of the hub.")
]
Trust: TypeAlias = Annotated[
    bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
]
Order: TypeAlias = Annotated[
    Literal["picture-first", "question-first"], typer.Option(help="What the prompt begins with.")
]


def _template(given: str | None) -> str | None:
    if given is None:
        return None
    text = _content(Path(given[1:])) if given.startswith("@") else given
    if text is given and "\\n" in text:
        raise DataError(
            "The template holds a backslash and an n, which no shell makes a line break of.",
            where=f"--prompt-template: {given}",
            mend="Write $'…\\n…' in bash or zsh, or give the template as a file: "
            "--prompt-template @FILE.",
        )
    Prompt(template=text)
    return text


def _content(path: Path) -> str:
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise DataError(
            f"The template cannot be read: {error}",
            where=f"--prompt-template: {path}",
            mend="Give a text file in UTF-8 after the @.",
        ) from error
    return text.removesuffix("\n")  # editors end files with one, as chat templates do


Template: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--prompt-template",
        metavar="TEXT|@FILE",
        callback=_template,
        help="Ask with this text instead of the model's chat template, such as "
        "'USER: {pictures} {question} ASSISTANT:'; each of the two once.",
        show_default=False,
    ),
]
KeptIn: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Keep the run here: run.json, with questions, ids and paths of some records, and "
        "report.html, to look at.",
        show_default=False,
    ),
]
Replace: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace the run that is there.")
]
Report: TypeAlias = Annotated[
    bool, typer.Option("--report/--no-report", help="Draw what was found as report.html.")
]
Kept: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--report/--no-report",
        help="Keep what was found beside the classifier, as run.json and report.html.",
    ),
]
Thumbnails: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--thumbnails/--no-thumbnails",
        help="Keep small copies of up to 36 pictures in run.json and report.html: of right, wrong "
        "and unsure answers.",
    ),
]


def _seed(given: int) -> int:
    if not 0 <= given <= _MOST:
        raise DataError(
            f"The seed {given} is out of range.",
            where="--seed",
            mend=f"Give a whole number from 0 to {_MOST}.",
        )
    return given


Seed: TypeAlias = Annotated[
    int, typer.Option(callback=_seed, help="Seed of everything that is drawn.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
