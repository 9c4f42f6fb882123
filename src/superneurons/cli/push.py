"""``superneurons push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet

__all__ = ["push"]


def push(
    classifier: Annotated[
        Path, typer.Argument(help="What `superneurons fit`, `search` or `cascade` saved.")
    ],
    name: Annotated[str, typer.Argument(help="The repository of the hub: owner/name.")],
    private: Annotated[
        bool, typer.Option("--private", help="Only you, or your organisation, may see it.")
    ] = False,
    branch: Annotated[
        str | None,
        typer.Option(help="Push there; made if it isn't there.", show_default="the main branch"),
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", help="Of the commit.", show_default=False)
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="What `superneurons eval --out` wrote: its figures go into the card. It is not "
            "pushed itself.",
            show_default=False,
        ),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(
            help="Hub id of the base model, where the classifier was fitted on a local copy.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Push a classifier to the Hugging Face hub: its two files, and a card.

    Log in before (`hf auth login`, or HF_TOKEN).
    """
    from superneurons.export.hub import push_to_hub

    quiet()
    found = push_to_hub(
        classifier, name, private=private, branch=branch, message=message, run=run,
        base_model=base_model,
    )  # fmt: skip
    if as_json:
        from dataclasses import asdict

        print_json(asdict(found))
        return
    print(f"Pushed {', '.join(found.files)}: {found.url}")
    if found.stays:
        print(f"Not pushed: {', '.join(found.stays)}.")
    if not found.has_scores:
        print("The card has no scores of `superneurons eval`: give its run (--run).")
    print(f"Next: superneurons predict {found.name}@{found.commit} pictures/*.jpg")
