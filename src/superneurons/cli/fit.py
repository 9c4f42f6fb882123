"""``superneurons fit``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal, TypeAlias

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet, step
from superneurons.cli.report import keep, origin_of
from superneurons.errors import DataError, Problem

__all__ = ["fit"]

_FORMS = {
    "direct": "Learnt from {questions} of {records} labelled records.",
    "lettered": "Learnt from {questions} of {records} labelled records, their options by letter.",
    "unrolled": "Learnt from {questions} yes/no questions, one per answer of {records} records.",
}

_ReadOut: TypeAlias = Annotated[
    str,
    typer.Option(
        help="How activations become an answer: super-neurons, paper, logistic, knn or savs."
    ),
]
_Metric: TypeAlias = Annotated[
    Literal["accuracy", "f1"] | None, typer.Option(help="Score of a neuron, for --read-out paper.")
]
_Aggregation: TypeAlias = Annotated[
    Literal["majority", "mean"] | None,
    typer.Option(help="How neurons decide, for --read-out paper."),
]
_Multiclass: TypeAlias = Annotated[
    Literal["auto", "native", "unrolled"],
    typer.Option(
        help="More than two answers: asked for at once (native), or one by one (unrolled)."
    ),
]
_Site: TypeAlias = Annotated[
    Literal["residual", "mlp", "heads", "vision", "projector"] | None,
    typer.Option(
        help="What is read; by default the attention heads for --read-out savs, else the residual "
        "stream. vision and projector see the pictures only.",
        show_default=False,
    ),
]
_Position: TypeAlias = Annotated[
    Literal["last_prompt", "first_generated", "image_mean", "image_max"],
    typer.Option(
        help="At which token; first_generated needs the whole model, and one pass more. Or the "
        "mean or the largest value over the tokens of the pictures."
    ),
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
_MaxLayer: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Deepest layer that may be read.")
]
_Balanced: TypeAlias = Annotated[
    bool, typer.Option(help="Drop records until labels are equally frequent.")
]
_Activations: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Keep the activations here; the next fit on the same data reads them."),
]


def fit(
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the classifier.")],
    model: options.Model = "demo",
    question: options.Question = None,
    read_out: _ReadOut = "super-neurons",
    metric: _Metric = None,
    aggregation: _Aggregation = None,
    multiclass: _Multiclass = "auto",
    site: _Site = None,
    position: _Position = "last_prompt",
    resolution: _Resolution = None,
    max_layer: _MaxLayer = None,
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    balanced: _Balanced = True,
    batch_size: options.BatchSize = 8,
    activations: _Activations = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the classifier.")] = False,
    report: options.Kept = True,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Find the neurons that answer a question, from labelled examples, and save the classifier.

    An interrupted run goes on where it stopped when it is started again.
    """
    from superneurons.cli.data import read
    from superneurons.shortcut.artefact import check_output
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    quiet()
    parameters = _of_paper(read_out, metric, aggregation)
    out = out.expanduser()
    check_output(out, overwrite=overwrite)
    records = read(data, question)
    kept = activations or out.parent / f".{out.name}.activations"
    classifier = SuperNeuronClassifier(
        model, read_out=read_out, read_out_params=parameters, multiclass=multiclass,
        site=site, position=position, resolution=resolution, max_layer=max_layer,
        prompt_order=prompt_order, prompt_template=prompt_template, balanced=balanced,
        batch_size=batch_size, activations=kept, random_state=seed, dtype=dtype, device=device,
        revision=revision, trust_remote_code=trust_remote_code,
    )  # fmt: skip
    seen: list[Any] = []
    with step("fitting") as told:
        classifier.fit(records, progress=told, witness=lambda *what: seen.extend(what))
    classifier.save_pretrained(out, overwrite=overwrite)
    if activations is None:
        shutil.rmtree(kept)
    summary = _summary(classifier, out)
    print_json(summary) if as_json else _print(summary)
    if report:
        _keep(out, (classifier, *seen, records, origin_of(None, data)), as_json=as_json)


def _keep(out: Path, parts: tuple[Any, ...], *, as_json: bool) -> None:
    from superneurons.report.gather import gather_fit

    keep(out, lambda: gather_fit(*parts), as_json=as_json)


def _of_paper(read_out: str, metric: str | None, aggregation: str | None) -> dict[str, str]:
    """Return the parameters that were given, which only the paper's rule has."""
    given = {"metric": metric, "aggregation": aggregation}
    found = {name: value for name, value in given.items() if value is not None}
    if found and read_out != "paper":
        raise DataError(
            f"Options of the paper's rule were given for the read-out {read_out!r}.",
            problems=[Problem(f"--{name}", value) for name, value in found.items()],
            mend="Add --read-out paper, or leave them out.",
        )
    return found


def _summary(classifier: Any, out: Path) -> dict[str, Any]:
    from superneurons.evaluate.null import chance_maximum

    probing, learnt = classifier.probing_, dict(classifier.read_out_.get_state().values)
    summary = {
        "classifier": str(out),
        "labels": classifier.classes_.tolist(),
        "form": classifier.form_,
        "read_out": classifier.read_out,
        "site": str(classifier.site_),
        "neurons": len(classifier.neurons_),
        "exit_layer": classifier.exit_layer_,
        "layers": classifier.vlm.n_layers,
        "resolution": classifier.resolution,
        "learnt": learnt,
        "probing_set": probing,
    }
    if learnt["parameters"].get("metric") == "accuracy":
        chance = chance_maximum(probing["questions"], probing["neurons_searched"])
        summary["chance_maximum"] = chance
    return summary


def _print(summary: dict[str, Any]) -> None:
    probing = summary["probing_set"]
    name = "Super Neurons" if summary["read_out"] in ("super-neurons", "paper") else "neurons"
    print(
        f"{summary['neurons']:,} {name} of {probing['neurons_searched']:,} "
        f"({summary['site']}); {_exit(summary)}."
    )
    if summary["resolution"] is not None:
        print(f"Pictures are seen at {summary['resolution']} pixels per side.")
    print(_FORMS[summary["form"]].format(**probing))
    for line in _scores(summary):
        print(line)
    out = summary["classifier"]
    print(f"Saved to {out}. Next: superneurons eval {quote(out)} --data <other labelled pictures>")


def _exit(summary: dict[str, Any]) -> str:
    layer, layers = summary["exit_layer"], summary["layers"]
    if layer == 0:
        return "no decoder layer runs"
    if summary["site"].endswith("@first_generated"):
        return "the whole model runs, and begins its answer"
    return f"the model stops after layer {layer} of {layers}"


def _scores(summary: dict[str, Any]) -> Iterator[str]:
    learnt, read_out = summary["learnt"], summary["read_out"]
    if "best_score_" in learnt:
        chance = ""
        if "chance_maximum" in summary:
            chance = f" (the best of as many by chance: {summary['chance_maximum']:.1%})"
        score = {"accuracy": "accuracy", "f1": "F1"}[learnt["parameters"]["metric"]]
        best = f"{learnt['best_score_']:.1%} {score}"
        yield f"Best single neuron on the probing set: {best}{chance}."
    if "selection_score_" in learnt:
        yield f"On the held-out part: {learnt['selection_score_']:.1%} balanced accuracy."
    if "cv_score_" in learnt:
        score = "balanced accuracy" if read_out == "super-neurons" else "accuracy"
        yield f"Cross-validated on the probing set: {learnt['cv_score_']:.1%} {score}."
