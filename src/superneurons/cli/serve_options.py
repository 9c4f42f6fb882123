"""Options of ``superneurons serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = [
    "AllowHost", "Base", "Cache", "Classifiers", "Deadline", "Fetch", "Grace", "Host",
    "Lock", "Log", "LogPictures", "MaxBatch", "MaxBody", "MaxPixels", "MaxWait", "Port", "Queue",
    "Remote", "RemoteModel", "Thresholds", "TokenFile", "Window",
]  # fmt: skip

Classifiers: TypeAlias = Annotated[
    list[Path],
    typer.Argument(help="What `fit`, `search` or `cascade` saved, all on one base model."),
]
Host: TypeAlias = Annotated[
    str, typer.Option(help="Address to listen on; others than 127.0.0.1 are reached by others.")
]
Port: TypeAlias = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]
TokenFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="File with the token that callers have to send; else SUPERNEURONS_TOKEN of the "
        "environment, if that is set."
    ),
]
AllowHost: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Name in the Host header that is taken, beside those of this address."),
]
Base: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--base/--no-base",
        help="Keep the whole base model, for other questions and where a classifier is unsure; by "
        "default where an artefact needs all layers, or a threshold is set.",
        show_default=False,
    ),
]
Thresholds: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold", metavar="NAME=P", help="Confidence below which a classifier's answers go on."
    ),
]
Lock: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="What `superneurons lock` wrote: thresholds of those without --threshold."),
]
Log: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Write every answer to this file, as JSON Lines for labelling again."),
]
LogPictures: TypeAlias = Annotated[
    bool, typer.Option("--log-pictures", help="With --log: keep the pictures beside it, too.")
]
Remote: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Another System One service, asked last; pictures are sent to it."
    ),
]
RemoteModel: TypeAlias = Annotated[str, typer.Option(help="The model that it is asked for.")]
MaxBatch: TypeAlias = Annotated[int, typer.Option(min=1, help="Questions per pass.")]
Window: TypeAlias = Annotated[
    float, typer.Option(min=0, help="How long a first question waits for others.")
]
Queue: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Questions that wait; more are refused.")
]
MaxWait: TypeAlias = Annotated[
    float, typer.Option(help="Within which 99 of 100 questions are answered; more are refused.")
]
Cache: TypeAlias = Annotated[int, typer.Option(min=0, help="Memory for pictures seen before.")]
Deadline: TypeAlias = Annotated[float, typer.Option(help="Within which a request is answered.")]
MaxBody: TypeAlias = Annotated[float, typer.Option(help="Of one request.")]
MaxPixels: TypeAlias = Annotated[int, typer.Option(help="Of one picture.")]
Fetch: TypeAlias = Annotated[
    bool, typer.Option("--allow-remote-pictures", help="Fetch pictures from public addresses.")
]
Grace: TypeAlias = Annotated[
    float,
    typer.Option(min=0, max=86_400, help="For accepted requests, when the service is told to end."),
]
