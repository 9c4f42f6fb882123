"""``superneurons fit``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet, step

__all__ = ["fit"]


def fit(
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the classifier.")],
    model: options.Model = "demo",
    question: options.Question = None,
    read_out: Annotated[str, typer.Option(help="How activations become an answer.")] = "paper",
    metric: Annotated[
        Literal["accuracy", "f1"] | None, typer.Option(help="Score of a neuron (paper).")
    ] = None,
    aggregation: Annotated[
        Literal["majority", "mean"] | None, typer.Option(help="How neurons decide (paper).")
    ] = None,
    max_layer: Annotated[
        int | None, typer.Option(min=1, help="Deepest layer that may be read.")
    ] = None,
    prompt_order: options.Order = "picture-first",
    balanced: Annotated[
        bool, typer.Option(help="Drop records until labels are equally frequent.")
    ] = True,
    batch_size: options.BatchSize = 8,
    activations: Annotated[
        Path | None,
        typer.Option(help="Keep the activations here; the next fit on the same data reads them."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the classifier.")] = False,
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
    out = out.expanduser()
    check_output(out, overwrite=overwrite)
    records = read(data, question)
    kept = activations or out.parent / f".{out.name}.activations"
    classifier = SuperNeuronClassifier(
        model, read_out=read_out, read_out_params=_given(metric=metric, aggregation=aggregation),
        max_layer=max_layer, prompt_order=prompt_order, balanced=balanced, batch_size=batch_size,
        activations=kept, random_state=seed, dtype=dtype, device=device, revision=revision,
        trust_remote_code=trust_remote_code,
    )  # fmt: skip
    with step("fitting") as told:
        classifier.fit(records, progress=told)
    classifier.save_pretrained(out, overwrite=overwrite)
    if activations is None:
        shutil.rmtree(kept)
    summary = _summary(classifier, out)
    print_json(summary) if as_json else _print(summary)


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _summary(classifier: Any, out: Path) -> dict[str, Any]:
    from superneurons.evaluate.null import chance_maximum

    probing = classifier.probing_
    return {
        "classifier": str(out),
        "labels": classifier.classes_.tolist(),
        "read_out": classifier.read_out,
        "neurons": len(classifier.neurons_),
        "exit_layer": classifier.exit_layer_,
        "layers": classifier.vlm.n_layers,
        "learnt": dict(classifier.read_out_.get_state().values),
        "chance_maximum": chance_maximum(probing["questions"], probing["neurons_searched"]),
        "probing_set": probing,
    }


def _print(summary: dict[str, Any]) -> None:
    probing, learnt = summary["probing_set"], summary["learnt"]
    print(
        f"{summary['neurons']} Super Neurons of {probing['neurons_searched']:,}; the model stops "
        f"after layer {summary['exit_layer']} of {summary['layers']}."
    )
    if "best_score_" in learnt:
        print(
            f"Best single neuron on {probing['questions']} probing questions: "
            f"{learnt['best_score_']:.1%} (the best of as many by chance: "
            f"{summary['chance_maximum']:.1%})."
        )
    if "selection_score_" in learnt:
        print(f"On the held-out part: {learnt['selection_score_']:.1%} balanced accuracy.")
    out = summary["classifier"]
    print(f"Saved to {out}. Next: superneurons eval {out} --data <other labelled pictures>")
