"""``superneurons predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from superneurons.cli import options
from superneurons.cli.data import check_asked, read
from superneurons.cli.output import print_json, quiet
from superneurons.errors import DataError

__all__ = ["predict"]


def predict(
    classifier: Annotated[
        Path, typer.Argument(help="What `superneurons fit`, `search` or `cascade` saved.")
    ],
    pictures: Annotated[list[Path] | None, typer.Argument(help="Pictures to ask about.")] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="Records to answer, in any form `fit` reads, or '-'."),
    ] = None,
    question: options.Question = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The base model, if it is elsewhere now.")
    ] = None,
    batch_size: options.BatchSize = 8,
    device: options.Device = "auto",
    trust_remote_code: options.Trust = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Answer pictures: one JSON line each, in the order of the input."""
    from superneurons.shortcut.artefact import read_any, read_config
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.cascade_artefact import read_cascade_config
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    quiet()
    is_cascade = read_any(classifier).get("kind") == "cascade"
    config = read_cascade_config(classifier) if is_cascade else read_config(classifier)
    records = _records(data, pictures or [], question or config["question"])
    check_asked(records, config)
    kind = Cascade if is_cascade else SuperNeuronClassifier
    fitted = kind.from_pretrained(
        classifier, model, batch_size=batch_size, device=device, trust_remote_code=trust_remote_code
    )
    if as_json:
        print_json([answer.as_dict() for answer in fitted.answers(records)])
        return
    for answer in fitted.answers(records):
        print_json(answer.as_dict(), indent=None)


def _records(data: str | None, pictures: list[Path], question: str | None) -> Any:
    from superneurons.task.record import Record

    if (data is None) == (not pictures):
        raise DataError(
            "Nothing to answer." if data is None else "Both pictures and --data were given.",
            mend="Give either pictures or --data.",
        )
    if data is not None:
        return read(data, question, require_labels=False)
    if question is None:
        raise DataError(
            "No question.", mend="Give --question: the classifier was fitted on several."
        )
    return [Record((picture,), question, id=str(picture)) for picture in pictures]
