"""``superneurons lora``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from superneurons.cli import options
from superneurons.cli.data import check_parts, task_or_data
from superneurons.cli.output import print_json, quiet, step
from superneurons.cli.studies import opened
from superneurons.errors import DataError, Problem

if TYPE_CHECKING:
    from superneurons.evaluate.lora import LoraRival
    from superneurons.task.record import Record

__all__ = ["lora"]

_Sizes: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="A learning curve: numbers of records to learn from, such as 50,100,500; all of them "
        "by default."
    ),
]
_Holdout: TypeAlias = Annotated[
    float, typer.Option(help="Share of --data to score on, where there is no --test.")
]
_Rates: TypeAlias = Annotated[
    str,
    typer.Option(help="Learning rates of LoRA, such as 1e-4,3e-4; the best one is kept."),
]
_Rank: TypeAlias = Annotated[int, typer.Option(min=1, help="Rank of the adapters.")]
_Alpha: TypeAlias = Annotated[
    float, typer.Option(help="What adapters add is scaled by alpha / rank.")
]
_Dropout: TypeAlias = Annotated[
    float, typer.Option(help="Share of the adapters' inputs that is dropped while they learn.")
]
_Epochs: TypeAlias = Annotated[int, typer.Option(min=1, help="Passes over the training records.")]
_Steps: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Steps of training, instead of --epochs.")
]
_TrainBatch: TypeAlias = Annotated[int, typer.Option(min=1, help="Records per training step.")]
_HeldOut: TypeAlias = Annotated[
    float,
    typer.Option(help="Share of the records that LoRA holds out, to choose its step and rate by."),
]
_Repeats: TypeAlias = Annotated[int, typer.Option(min=0, help="Rounds of the timing; 0 for none.")]


def lora(
    data: options.OtherData = None,
    test: options.TestData = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: options.NProbe = 300,
    n_test: options.NTest = 300,
    sprites: options.Sprites = "seen",
    holdout: _Holdout = 0.3,
    sizes: _Sizes = None,
    rank: _Rank = 16,
    alpha: _Alpha = 32.0,
    dropout: _Dropout = 0.05,
    rates: _Rates = "3e-4",
    epochs: _Epochs = 10,
    steps: _Steps = None,
    train_batch: _TrainBatch = 8,
    held_out: _HeldOut = 0.2,
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    repeats: _Repeats = 5,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Fine-tune the model (LoRA) and fit Super Neurons on the same records, side by side."""
    from superneurons.cli.lora_table import print_rival
    from superneurons.evaluate.lora import check_sizes, compare_lora
    from superneurons.evaluate.lora_adapters import require_peft
    from superneurons.evaluate.lora_training import LoraSettings
    from superneurons.vlm.prompt import Prompt

    quiet()
    tried, wanted = _numbers({"--rates": (rates, float), "--sizes": (sizes or "", int)})
    settings = LoraSettings(
        rank=rank, alpha=alpha, dropout=dropout, rates=tried,
        epochs=epochs, steps=steps, batch_size=train_batch, held_out=held_out,
    )  # fmt: skip
    named = task_or_data(data, test, task, question, n_probe, n_test, sprites, seed)
    probe, others = _parts(*named, holdout, seed)
    check_sizes(wanted, len(probe))
    require_peft()
    vlm = opened(model, revision, dtype, device, trust_remote_code)
    if not as_json:
        print(f"{task or data}, e.g. {probe[0].question!r}")
    found: list[LoraRival] = []
    try:
        compare_lora(
            vlm, probe, others, settings=settings, sizes=wanted,
            prompt=Prompt(prompt_order, prompt_template), batch_size=batch_size, repeats=repeats,
            seed=seed, steps=step, told=found.append if as_json else print_rival,
        )  # fmt: skip
    finally:  # what was learnt isn't lost where a larger size fails
        if found:
            print_json({"task": task or data, "sizes": [rival.as_dict() for rival in found]})


def _parts(
    probe: list[Record], test: list[Record] | None, share: float, seed: int
) -> tuple[list[Record], list[Record]]:
    """Refuse what can't be learnt and scored, before a model is opened."""
    from superneurons.task.images import check_images
    from superneurons.task.split import grouped_split

    if test is None:
        if not 0 < share < 1:
            raise DataError(
                f"A share of {share:g} of the records can't be held out.",
                where="--holdout",
                mend="Give one between 0 and 1, such as 0.3, or other records with --test.",
            )
        check_images(probe)
        rows = grouped_split(probe, test_size=share, seed=seed)
        probe, test = ([probe[index] for index in part] for part in rows)
    check_parts(probe, test)
    return probe, test


def _numbers(given: Mapping[str, tuple[str, type[Any]]]) -> list[tuple[Any, ...]]:
    """Read each option's numbers with commas between them.

    Raises
    ------
    DataError
        Lists all that are none.
    """
    found, problems = [list[Any]() for _ in given], []
    for numbers, (option, (text, kind)) in zip(found, given.items(), strict=True):
        for word in filter(None, map(str.strip, text.split(","))):
            try:
                numbers.append(kind(word))
            except ValueError:
                whole = "whole " if kind is int else ""
                problems.append(Problem(option, f"{word!r} is no {whole}number"))
    if problems:
        raise DataError(
            "Some numbers can't be read.", problems=problems,
            mend="Give numbers with commas between them, such as 50,100.",
        )  # fmt: skip
    return [tuple(dict.fromkeys(numbers)) for numbers in found]
