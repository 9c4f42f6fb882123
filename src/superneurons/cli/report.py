"""``superneurons report``, and the runs that other commands keep for it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from superneurons.cli import options
from superneurons.cli.output import print_json, step
from superneurons.errors import OutputError

if TYPE_CHECKING:
    from superneurons.report.gather import Origin
    from superneurons.report.run import Run

__all__ = ["check_kept", "keep", "origin_of", "report"]

_PAGE = "report.html"


def report(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR",
            help="Directory with a run.json, as `fit`, `demo` and --out leave it.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; by default report.html beside run.json."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser, too.")] = False,
    as_json: options.Json = False,
) -> None:
    """Draw a run as one HTML file that needs nothing else: no network, no other file.

    It is drawn from run.json alone. Small copies of pictures are in it where they are in there.
    """
    from superneurons.report.html import write_report
    from superneurons.report.store import read_run

    place = run.expanduser()
    found = read_run(place)
    page = (place if place.is_dir() else place.parent) / _PAGE if out is None else out.expanduser()
    write_report(found, page)
    if as_json:
        print_json({"kind": found.kind, "report": str(page)})
    else:
        print(f"Saved {page}")
    if show:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


def origin_of(task: str | None, data: str | None, thumbnails: bool = True) -> Origin:
    """Return what a run can't know by itself: its title, and the command that is running.

    Parameters
    ----------
    task, data
        As the user named them.
    thumbnails
        Whether small pictures are kept.
    """
    from superneurons.report.gather import Origin

    named = "standard input" if data == "-" else Path(data or "").name
    command = shlex.join(["superneurons", *sys.argv[1:]])
    return Origin(task or named, command, thumbnails)


def check_kept(directory: Path | None, *, overwrite: bool) -> None:
    """Make sure that a run can be kept, before anything is computed for it.

    Parameters
    ----------
    directory
        Where; ``None`` for nowhere.
    overwrite
        Whether an earlier run there may be replaced.

    Raises
    ------
    OutputError
        When an earlier one is there, or the place cannot be written.
    """
    from superneurons.activations.store import write_atomically
    from superneurons.report.store import RUN_FILE

    if directory is None:
        return
    directory = directory.expanduser()
    taken = [name for name in (RUN_FILE, _PAGE) if (directory / name).exists()]
    if taken and not overwrite:
        raise OutputError(
            f"{str(directory)!r} holds a run already.",
            where=", ".join(str(directory / name) for name in taken),
            mend="Choose another directory, or allow overwriting (--overwrite).",
        )
    trial = directory / ".run.trial"
    write_atomically(trial, b"")
    trial.unlink()


def keep(
    directory: Path, gather: Callable[[], Run], *, page: bool = True, as_json: bool = False
) -> Path:
    """Keep a run as run.json and report.html, and say so.

    Parameters
    ----------
    directory
        Where.
    gather
        Makes the run.
    page
        Whether it is drawn.
    as_json
        Whether standard output is for JSON only.

    Returns
    -------
    Path
        What to look at.

    Raises
    ------
    OutputError
        When the place cannot be written.
    """
    from superneurons.report.html import write_report
    from superneurons.report.store import write_run

    directory = directory.expanduser()
    with step("report") as told:
        run = gather()
        kept = write_run(directory, run)
        if page:
            write_report(run, directory / _PAGE)
        told(1, 1)
    shown = directory / _PAGE if page else kept
    print(f"To look at: {shown}", file=sys.stderr if as_json else sys.stdout)
    return shown
