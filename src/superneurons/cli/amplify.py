"""``superneurons amplify``: find the neurons of a text task, run a model with them amplified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from superneurons.cli import amplify_sweep, options
from superneurons.cli.groups import Group
from superneurons.cli.output import print_json, quiet, step
from superneurons.cli.studies import begin
from superneurons.errors import DataError, Problem

if TYPE_CHECKING:
    from superneurons.amplify.gate import Gated
    from superneurons.amplify.language import LanguageModel

__all__ = ["app", "find", "run"]

_ALWAYS = 2.0
_SHOWN = 5

app = typer.Typer(
    cls=Group,
    help="Boost the neurons of a text task while a model runs, where it is unsure.",
    no_args_is_help=True,
)
app.command("sweep")(amplify_sweep.sweep)
app.command("report")(amplify_sweep.report)


@app.command("find")
def find(
    prompts: Annotated[Path, typer.Option(help="Prompts of the task: a text file, one a line.")],
    control: Annotated[Path, typer.Option(help="Prompts of other tasks, one a line.")],
    layer: Annotated[int, typer.Option(min=1, help="Layer whose neurons are looked for.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write to.")],
    model: options.Model = "demo",
    count: Annotated[int, typer.Option(min=1, help="How many neurons.")] = 50,
    multiplier: Annotated[float, typer.Option(help="What they are multiplied by.")] = 2.0,
    gate: Annotated[
        float, typer.Option(min=0, help="Amplify below this confidence; above 1 always.")
    ] = _ALWAYS,
    scoring: Annotated[
        Literal["difference", "standardised", "magnitude"],
        typer.Option(help="What makes a neuron the task's."),
    ] = "difference",
    position: Annotated[
        Literal["last", "all"], typer.Option(help="Tokens at which they are multiplied.")
    ] = "last",
    name: Annotated[str, typer.Option("--name", help="What the task is called.")] = "task",
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
    batch_size: options.BatchSize = 16,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Find the MLP neurons that fire more for a task's prompts than for control prompts."""
    from superneurons.amplify.artefact import Amplifier
    from superneurons.amplify.gate import Gate
    from superneurons.amplify.neurons import find_neurons

    begin(out, overwrite)
    task, others = _prompts(prompts, control)
    opened = _opened(model, dtype, device, revision, trust_remote_code)
    found = find_neurons(
        opened, task, others, layer, count=count, task=name, scoring=scoring, batch_size=batch_size
    )
    made = Amplifier(found, multiplier, Gate(gate), position, model, revision)
    made.check(opened)
    made.save(out.expanduser(), overwrite=overwrite)
    if as_json:
        print_json(made.as_dict())
        return
    first = ", ".join(map(str, found.columns[:_SHOWN].tolist()))
    print(f"{len(found)} neurons of layer {layer} of {opened.n_layers}: {first}, …")
    print(f"written to {out}")


@app.command("run")
def run(
    amplifier: Annotated[Path, typer.Argument(help="What `amplify find` wrote.")],
    prompts: Annotated[Path, typer.Option(help="A text file, one prompt a line.")],
    model: options.MovedModel = None,
    gate: Annotated[
        float | None, typer.Option(min=0, help="Another gate: amplify below this confidence.")
    ] = None,
    batch_size: options.BatchSize = 16,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.Trust = False,
) -> None:
    """Print one JSON line per prompt: the likeliest next tokens, and whether it was amplified."""
    from superneurons.amplify.artefact import Amplifier
    from superneurons.amplify.gate import Gate, gated_logits

    quiet()
    made, (asked,) = Amplifier.load(amplifier), _prompts(prompts)
    revision = made.revision if model is None else None
    opened = _opened(model or made.model_name, dtype, device, revision, trust_remote_code)
    chosen = made.gate if gate is None else Gate(gate)
    found = gated_logits(opened, asked, made.amplification, chosen, batch_size=batch_size)
    for line in _answers(opened, asked, found):
        print_json(line, indent=None)


def _answers(model: LanguageModel, prompts: list[str], found: Gated) -> list[dict[str, Any]]:
    best = found.logits.softmax(dim=1).topk(_SHOWN, dim=1)
    return [
        {
            "prompt": prompt,
            "amplified": bool(amplified),
            "base_confidence": round(float(sure), 6),
            "next": [
                [model.tokenizer.decode([token]), round(p, 6)]
                for token, p in zip(tokens, shares, strict=True)
            ],
        }
        for prompt, amplified, sure, tokens, shares in zip(
            prompts, found.amplified, found.confidence, best.indices.tolist(),
            best.values.tolist(), strict=True,
        )
    ]  # fmt: skip


def _prompts(*paths: Path) -> list[list[str]]:
    found, problems = list[list[str]](), list[Problem]()
    for path in paths:
        try:
            text = path.expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            problems.append(Problem(str(path), f"cannot be read: {why}"))
            continue
        # A space at a line's end belongs to the prompt.
        found.append([line for line in text.splitlines() if line.strip()])
        if not found[-1]:
            problems.append(Problem(str(path), "has no prompts"))
    if problems:
        raise DataError(
            "There are prompts missing.",
            problems=problems,
            mend="Give text files in UTF-8, one prompt a line.",
        )
    return found


def _opened(
    model: str, dtype: str, device: str, revision: str | None, trusted: bool
) -> LanguageModel:
    from superneurons.amplify.language import open_language_model

    with step("opening the model"):
        return open_language_model(
            model, dtype=dtype, device=device, revision=revision, trust_remote_code=trusted
        )
