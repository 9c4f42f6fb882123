"""``superneurons eval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from superneurons.cli import options
from superneurons.cli.data import check_asked, read
from superneurons.cli.output import print_json, quiet, step
from superneurons.cli.report import check_kept, keep, origin_of

__all__ = ["evaluate"]


def evaluate(
    classifier: Annotated[Path, typer.Argument(help="What `superneurons fit` saved.")],
    data: options.Data,
    question: options.Question = None,
    model: options.MovedModel = None,
    rivals: Annotated[
        bool, typer.Option(help="Also run the whole base model, to compare with.")
    ] = True,
    out: options.KeptIn = None,
    overwrite: options.Replace = False,
    report: options.Report = True,
    thumbnails: options.Thumbnails = True,
    acceleration: options.Accelerated = "auto",
    preparation: options.Prepared = "auto",
    batch_size: options.BatchSize = 8,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Score a classifier on labelled records it was not fitted on, beside what it has to beat."""
    from superneurons.cli.table import print_comparison
    from superneurons.evaluate.evaluation import evaluate_classifier
    from superneurons.shortcut.artefact import read_config
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    quiet()
    check_kept(out, overwrite=overwrite)
    config = read_config(classifier)
    records = read(data, question or config["question"])
    check_asked(records, config)
    fitted = SuperNeuronClassifier.from_pretrained(
        classifier, model, whole=rivals, acceleration=acceleration, batch_size=batch_size,
        device=device, trust_remote_code=trust_remote_code, preparation=preparation,
    )  # fmt: skip
    found = evaluate_classifier(fitted, records, rivals=rivals, seed=seed, steps=step)
    if as_json:
        print_json(found.as_dict())
    else:
        print_comparison(found)
    if out is not None:
        from superneurons.report.gather import gather_eval

        origin = origin_of(None, data, thumbnails)
        keep(out, lambda: gather_eval(found, fitted, origin), page=report, as_json=as_json)
