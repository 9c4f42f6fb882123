"""``superneurons pull``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet

__all__ = ["pull"]


def pull(
    name: Annotated[
        str, typer.Argument(help="A classifier of the hub: owner/name, or owner/name@revision.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the copy.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the classifier that is there.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Copy a classifier from the Hugging Face hub into a directory.

    Other commands also take its name itself, instead of a directory.
    """
    from superneurons.shortcut.hub_pull import pull as pulled

    quiet()
    found = pulled(name, out.expanduser(), overwrite=overwrite)
    if as_json:
        print_json(
            {
                "name": found.origin.name,
                "commit": found.origin.revision,
                "directory": str(found.directory),
                "files": list(found.files),
            }
        )
        return
    print(f"{found.origin}: {', '.join(found.files)} in {found.directory}.")
    print(f"Next: superneurons inspect {quote(str(found.directory))}")
