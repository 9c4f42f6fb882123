"""``superneurons probe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from superneurons.cli import engine as engines
from superneurons.cli import options
from superneurons.cli.output import print_json, quiet, step
from superneurons.errors import DataError, Problem

if TYPE_CHECKING:
    from superneurons.scale.probing import Probed

__all__ = ["probe"]

_BEST = 5
_NOT_IN_FIT = ("max_margin", "margin_step", "selection_size")

_Store: TypeAlias = Annotated[
    Path, typer.Option("--out", "-o", help="Directory for the activations.")
]
_ReadOut: TypeAlias = Annotated[
    str,
    typer.Option(
        help="The read-out that will be fitted, here with --classifier or later: it decides what "
        "is asked. paper is fitted by all ranks together, others by the first."
    ),
]
_Classifier: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Fit too, and save the classifier here: the same that `fit` would save.",
        show_default=False,
    ),
]
_Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace the classifier.")]
_Metric: TypeAlias = Annotated[
    Literal["accuracy", "f1"] | None,
    typer.Option(help="With --read-out paper: score of a neuron.", show_default=False),
]
_Aggregation: TypeAlias = Annotated[
    Literal["majority", "mean"] | None,
    typer.Option(
        help="With --read-out paper: how neurons decide, by their votes or by the mean of their "
        "activations.",
        show_default=False,
    ),
]
_MaxMargin: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="With --read-out paper and --classifier: how far below the best score a neuron's may "
        "lie, at most; 0.03 if not said. How far is chosen on held-out records.",
        show_default=False,
    ),
]
_MarginStep: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="With --read-out paper and --classifier: in which steps that is tried; 0.001 if not "
        "said.",
        show_default=False,
    ),
]
_SelectionSize: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="With --read-out paper and --classifier: share of the records held out for it; 0.25 "
        "if not said.",
        show_default=False,
    ),
]
_Multiclass: TypeAlias = Annotated[
    Literal["auto", "native", "unrolled"], typer.Option(help="As for `fit`.")
]
_Site: TypeAlias = Annotated[
    Literal["residual", "mlp", "heads", "vision", "projector"] | None,
    typer.Option(help="As for `fit`.", show_default=False),
]
_Position: TypeAlias = Annotated[
    Literal["last_prompt", "first_generated", "image_mean", "image_max"],
    typer.Option(help="As for `fit`."),
]
_Resolution: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="As for `fit`.", show_default=False)
]
_MaxLayer: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Deepest layer that is captured.", show_default=False)
]
_Balanced: TypeAlias = Annotated[bool, typer.Option(help="As for `fit`.")]
_Engine: TypeAlias = Annotated[
    Literal["local", "ranks", "ray"],
    typer.Option(
        help="This process; several processes on this machine; a Ray cluster. Started by "
        "torchrun, each process is a rank, whatever stands here."
    ),
]
_Ranks: TypeAlias = Annotated[
    int, typer.Option(min=1, help="With --engine ranks: processes; each takes a GPU.")
]


def probe(
    data: options.Data,
    out: _Store,
    model: options.Model = "demo",
    question: options.Question = None,
    read_out: _ReadOut = "super-neurons",
    classifier: _Classifier = None,
    overwrite: _Overwrite = False,
    metric: _Metric = None,
    aggregation: _Aggregation = None,
    max_margin: _MaxMargin = None,
    margin_step: _MarginStep = None,
    selection_size: _SelectionSize = None,
    multiclass: _Multiclass = "auto",
    site: _Site = None,
    position: _Position = "last_prompt",
    resolution: _Resolution = None,
    max_layer: _MaxLayer = None,
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    balanced: _Balanced = True,
    batch_size: options.BatchSize = 8,
    engine: _Engine = "local",
    ranks: _Ranks = 2,
    actors: engines.ActorCount = 1,
    gpus_per_actor: engines.GpusPerActor = None,
    ray_address: engines.RayAddress = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Capture the activations of labelled examples, on one process or many, for a fit.

    Then run `fit` with the same options and --activations, or give --classifier to fit at once.
    What was captured is kept: an interrupted run goes on, with as many processes as you like.
    """
    engines.check_model(engine, model)
    of_paper = {
        "metric": metric, "aggregation": aggregation, "max_margin": max_margin,
        "margin_step": margin_step, "selection_size": selection_size,
    }  # fmt: skip
    given = _of_paper(read_out, of_paper, fits=classifier is not None)
    params: dict[str, Any] = {
        "model": model, "read_out": read_out, "read_out_params": given, "multiclass": multiclass,
        "site": site, "position": position, "resolution": resolution, "max_layer": max_layer,
        "prompt_order": prompt_order, "prompt_template": prompt_template, "balanced": balanced,
        "batch_size": batch_size, "random_state": seed, "dtype": dtype, "device": device,
        "revision": revision, "trust_remote_code": trust_remote_code,
    }  # fmt: skip
    _run(
        params, data, question, out.expanduser(), as_json=as_json, engine=engine, ranks=ranks,
        actors=engines.actors_of(engine, actors, gpus_per_actor, ray_address, device),
        classifier=None if classifier is None else classifier.expanduser(), overwrite=overwrite,
    )  # fmt: skip


def _of_paper(read_out: str, given: dict[str, Any], *, fits: bool) -> dict[str, Any]:
    """Return the parameters that were given, which only the paper's rule has."""
    found = {name: value for name, value in given.items() if value is not None}
    _refuse(
        found if read_out != "paper" else {},
        f"Options of the paper's rule were given for the read-out {read_out!r}.",
        "Add --read-out paper, or leave them out.",
    )
    _refuse(
        {} if fits else {name: found[name] for name in _NOT_IN_FIT if name in found},
        "These options are for fitting here; what is captured doesn't depend on them.",
        "Add --classifier DIR, or leave them out.",
    )
    return found


def _refuse(options: dict[str, Any], what: str, mend: str) -> None:
    if options:
        problems = [Problem(f"--{k.replace('_', '-')}", str(v)) for k, v in options.items()]
        raise DataError(what, problems=problems, mend=mend)


def _run(
    params: dict[str, Any],
    data: str,
    question: str | None,
    out: Path,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    from superneurons.cli.data import read
    from superneurons.scale.probe_engines import probe as run
    from superneurons.scale.ranks import rank_of_environment

    quiet()
    with step("capturing") as told:
        found = run(params, read(data, question), out, progress=told, **options)
    rank = rank_of_environment()
    if rank is not None and rank.rank:
        return
    summary = _summary(found, out)
    print_json(summary) if as_json else _print(summary)


def _summary(found: Probed, out: Path) -> dict[str, Any]:
    """What was captured, and which neurons answer best by themselves."""
    from superneurons.activations.site import neurons_of

    layers, width = found.shape
    summary: dict[str, Any] = {
        "activations": str(out),
        "questions": found.questions,
        "site": found.site,
        "layers": layers,
        "width": width,
        "shards": found.shards,
    }
    if found.counts is not None:
        scores = found.counts.scores("accuracy")
        best = (-scores).argsort(kind="stable")[:_BEST]
        summary["positive"] = found.positive
        summary["best_neurons"] = [
            {"layer": neuron.layer, "index": neuron.index, "accuracy": float(scores[column])}
            for column, neuron in zip(best, neurons_of(best, width), strict=True)
        ]
    if found.fitted is not None:
        summary["fitted"] = dict(found.fitted)
    return summary


def _print(summary: dict[str, Any]) -> None:
    print(
        f"{summary['questions']:,} questions captured at {summary['layers']} layers of "
        f"{summary['width']:,} ({summary['site']}) into {summary['activations']}."
    )
    if "best_neurons" in summary:
        best = summary["best_neurons"][0]
        print(
            f"Best single neuron: {best['accuracy']:.1%} accuracy (layer {best['layer']}, "
            f"number {best['index']}; above 0 means {summary['positive']!r})."
        )
    fitted = summary.get("fitted")
    if fitted is None:
        out = summary["activations"]
        print("Next: superneurons fit, with the same options and --activations", out)
        return
    print(
        f"{fitted['neurons']:,} neurons ({fitted['read_out']}); the exit is layer "
        f"{fitted['exit_layer']} of {fitted['layers']}."
    )
    if "selection_score_" in fitted["learnt"]:
        score = fitted["learnt"]["selection_score_"]
        print(f"On the held-out part: {score:.1%} balanced accuracy.")
    out = fitted["classifier"]
    print(f"Saved to {out}. Next: superneurons eval {out} --data <other labelled pictures>")
