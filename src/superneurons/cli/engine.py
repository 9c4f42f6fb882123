"""Options of commands that work block by block, here or on a Ray cluster."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from superneurons.cli.output import print_json, step
from superneurons.errors import DataError

if TYPE_CHECKING:
    from superneurons.scale.ray_data import Actors

__all__ = [
    "ActorCount", "AnswersOut", "Engine", "GpusPerActor", "RayAddress", "RowsPerBlock", "actors_of",
    "answer_into", "check_model",
]  # fmt: skip

Engine: TypeAlias = Annotated[
    Literal["local", "ray"],
    typer.Option(help="With --out: work in this process, or on a Ray cluster."),
]
AnswersOut: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write answers here as Parquet, block by block, instead of printing them; a run that "
        "was stopped goes on. Rows that can't be answered say why in a column. Reads WebDataset "
        "shards (.tar), folders of them and patterns ('shards/*.tar'), too.",
        show_default=False,
    ),
]
ActorCount: TypeAlias = Annotated[
    int, typer.Option("--actors", min=1, help="With --engine ray: processes, each with a model.")
]
GpusPerActor: TypeAlias = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="With --engine ray: GPUs for each actor. 0.5 puts two actors on one; 2 lays each "
        "actor's model over two, where one can't hold it. By default 1 for each device that "
        "--device names, and 0 with --device cpu.",
        show_default=False,
    ),
]
RayAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: 'auto' or ray://HOST:PORT; by default the cluster that "
        "RAY_ADDRESS names, else one on this machine.",
        show_default=False,
    ),
]
RowsPerBlock: TypeAlias = Annotated[
    int,
    typer.Option(
        "--block-rows",
        min=1,
        help="With --out: rows answered and written as one, rounded up to whole batches; a "
        "WebDataset shard is one block.",
    ),
]


def check_model(engine: str, model: str | None) -> None:
    """Refuse a model that can be nowhere, where this machine is the one to open it.

    Raises
    ------
    ModelNotFoundError
        With the nearest name that is here.
    """
    if engine != "ray" and model is not None:
        from superneurons.vlm.naming import check_name

        check_name(model)


def actors_of(
    engine: str, n: int, gpus: float | None, address: str | None, device: str
) -> Actors | None:
    """Return who works; nobody but this process for the engine ``local``."""
    if engine != "ray":
        return None
    from superneurons.scale.ray_data import Actors

    by_default = float(sum(name.strip() != "cpu" for name in device.split(",")))
    return Actors(n=n, gpus=by_default if gpus is None else gpus, address=address)


def answer_into(
    out: Path | None,
    classifiers: list[Path],
    pictures: list[Path],
    data: str | None,
    actors: Actors | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Answer data into a directory, and say how it went.

    Raises
    ------
    DataError
        When what was asked for isn't done block by block.
    """
    from superneurons.scale.answering import answer_data

    checks = (
        (out is None, "--engine ray writes its answers to files.", "Add --out DIR."),
        (bool(pictures) or data in (None, "-"), "Blocks are parts of data that can be read again.",
         "Give --data: files or a folder."),
        (len(classifiers) > 1, "Blocks are answered by one classifier.", "Run it for each."),
    )  # fmt: skip
    for wrong, what, mend in checks:
        if wrong:
            raise DataError(what, mend=mend)
    assert out is not None
    assert data is not None
    with step("blocks") as told:
        done = answer_data(
            classifiers[0], data, out.expanduser(), actors=actors, progress=told, **options
        )
    if as_json:
        print_json({"out": str(out), **asdict(done)})
        return
    kept = f", {done.kept} of {done.blocks} blocks answered before" if done.kept else ""
    bad = f"; {done.errors} could not be answered: see their column 'error'" if done.errors else ""
    print(f"{done.rows:,} rows answered into {out}{kept}{bad}.")
