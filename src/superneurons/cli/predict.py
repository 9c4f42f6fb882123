"""``superneurons predict``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from superneurons.cli import engine as engine_options
from superneurons.cli import options
from superneurons.cli.data import check_asked, read
from superneurons.cli.ending import unread
from superneurons.cli.output import print_json, quiet
from superneurons.errors import DataError
from superneurons.vlm.acceleration import Acceleration

__all__ = ["predict"]

_Saved: TypeAlias = Annotated[
    Path, typer.Argument(help="What `superneurons fit`, `search` or `cascade` saved.")
]
_Pictures: TypeAlias = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="classifiers and pictures",
        help="Other classifiers (directories), to look at the same pictures once; pictures to "
        "ask about.",
    ),
]
_Records: TypeAlias = Annotated[
    str | None,
    typer.Option("--data", "-d", help="Records to answer, in any form `fit` reads, or '-'."),
]
_Elsewhere: TypeAlias = Annotated[
    str | None, typer.Option("--model", "-m", help="The base model, if it is elsewhere now.")
]


def predict(
    classifier: _Saved,
    pictures: _Pictures = None,
    data: _Records = None,
    question: options.Question = None,
    model: _Elsewhere = None,
    acceleration: options.Accelerated = "auto",
    preparation: options.Prepared = "auto",
    batch_size: options.BatchSize = 8,
    device: options.Device = "auto",
    trust_remote_code: options.Trust = False,
    out: engine_options.AnswersOut = None,
    engine: engine_options.Engine = "local",
    actors: engine_options.ActorCount = 1,
    gpus_per_actor: engine_options.GpusPerActor = None,
    ray_address: engine_options.RayAddress = None,
    block_rows: engine_options.RowsPerBlock = 256,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Answer pictures: one JSON line each, in the order of the input.

    With several classifiers, one line per picture and classifier, which it names; each asks the
    question it was fitted on, and the milliseconds are those of all of them together. With --out,
    answers go to Parquet files, in this process or on a Ray cluster.
    """
    quiet()
    engine_options.check_model(engine, model)
    named = pictures or []
    classifiers = [classifier, *(path for path in named if path.is_dir())]
    asked = [path for path in named if not path.is_dir()]
    opening = {
        "device": device, "trust_remote_code": trust_remote_code, "preparation": preparation,
    }  # fmt: skip
    if out is not None or engine == "ray":
        engine_options.answer_into(
            out, classifiers, asked, data,
            engine_options.actors_of(engine, actors, gpus_per_actor, ray_address, device),
            model=model, question=question, rows_per_block=block_rows, as_json=as_json,
            opening=opening | {"batch_size": batch_size} | _accelerated(classifier, acceleration),
        )  # fmt: skip
        return
    if len(classifiers) > 1:
        rows = _together(
            classifiers, _source(data, asked), question, batch_size, model,
            opening | {"acceleration": acceleration},
        )  # fmt: skip
    else:
        rows = _alone(
            classifier, _source(data, asked), question, acceleration, model,
            opening | {"batch_size": batch_size},
        )  # fmt: skip
    if as_json:
        print_json(list(rows))
        return
    for row in rows:
        print_json(row, indent=None)
        if unread():
            return


def _alone(
    directory: Path,
    source: str | list[Path],
    question: str | None,
    acceleration: Acceleration,
    model: str | None,
    opening: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    from superneurons.shortcut.artefact import read_any, read_config
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.cascade_artefact import read_cascade_config
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    opening = opening | _accelerated(directory, acceleration)
    is_cascade = read_any(directory).get("kind") == "cascade"
    config = read_cascade_config(directory) if is_cascade else read_config(directory)
    records = _records(source, question or config["question"])
    check_asked(records, config)
    fitted: Cascade | SuperNeuronClassifier
    if is_cascade:
        fitted = Cascade.from_pretrained(directory, model, **opening)
    else:
        fitted = SuperNeuronClassifier.from_pretrained(directory, model, **opening)
    for answer in fitted.answers(records):
        yield answer.as_dict()


def _accelerated(directory: Path, acceleration: Acceleration) -> dict[str, Any]:
    from superneurons.shortcut.artefact import read_any

    if read_any(directory).get("kind") != "cascade":
        return {"acceleration": acceleration}
    if acceleration != "auto":
        raise DataError(
            f"A cascade runs stage by stage; it can't be run as {acceleration!r}.",
            where="--acceleration",
            mend="Leave it out, or fit a classifier with one exit.",
        )
    return {}


def _together(
    directories: list[Path],
    source: str | list[Path],
    question: str | None,
    batch_size: int,
    model: str | None,
    opening: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    from superneurons.shortcut.artefact import read_config
    from superneurons.shortcut.together_loading import load_together, refuse_apart
    from superneurons.task.images import check_images

    if question is not None:
        raise DataError(
            "Several classifiers ask the questions that they were fitted on, not another.",
            where="--question",
            mend="Leave it out, or ask one classifier.",
        )
    refuse_apart(directories, model_given=model is not None)
    records = _records(source, read_config(directories[0])["question"])
    check_images(records)
    together = load_together(directories, model, **opening)
    for answers in together.answers(records, batch_size=batch_size):
        for name, answer in answers.items():
            yield {"classifier": name, **answer.as_dict()}


def _source(data: str | None, pictures: list[Path]) -> str | list[Path]:
    if (data is None) == (not pictures):
        raise DataError(
            "Nothing to answer." if data is None else "Both pictures and --data were given.",
            mend="Give either pictures or --data.",
        )
    return pictures if data is None else data


def _records(source: str | list[Path], question: str | None) -> Any:
    from superneurons.task.record import Record

    if isinstance(source, str):
        return read(source, question, require_labels=False)
    if question is None:
        raise DataError(
            "No question.", mend="Give --question: the classifier was fitted on several."
        )
    return [Record((picture,), question, id=str(picture)) for picture in source]
