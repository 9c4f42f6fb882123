"""Results to standard output, progress and warnings to standard error."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from superneurons.task.notices import DataNotice

if TYPE_CHECKING:
    from rich.table import Table

    from superneurons.activations.capture import Progress

__all__ = ["print_json", "print_whole", "quiet", "step"]

_WIDEST = 1000


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON on standard output; without an indent as one line, and at once."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    whole = encoding.lower().startswith("utf")
    print(json.dumps(value, indent=indent, ensure_ascii=not whole), flush=indent is None)


def print_whole(table: Table) -> None:
    """Print a table as wide as it is: cut off or folded is worse than wider than the window."""
    from rich.console import Console
    from rich.measure import Measurement

    wide = Console(width=_WIDEST)
    Console(width=Measurement.get(wide, wide.options, table).maximum).print(table)


def quiet() -> None:
    """Keep libraries' own chatter off the terminal, and print each warning once, in one line."""
    from transformers.utils import logging as chatter

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    warnings.showwarning = _Shown()  # type: ignore[assignment]  # never called by keyword


class _Shown:
    """Prints a warning, unless it said the same before: several read-outs meet the same data.

    A notice of pictures is not repeated for some of them: a part of the records is checked, too.
    """

    def __init__(self) -> None:
        self._said: set[object] = set()

    def __call__(
        self,
        message: Warning | str,
        _category: type[Warning],
        _filename: str,
        _lineno: int,
        _file: TextIO | None = None,
        _line: str | None = None,
    ) -> None:
        kind, news = "warning", frozenset[object]({str(message)})
        if isinstance(message, DataNotice):
            kind, news = "note", message.told
        if not news <= self._said:
            self._said |= news
            print(f"superneurons: {kind}: {message}", file=sys.stderr)


@contextmanager
def step(name: str, /) -> Iterator[Progress]:
    """Show one step of a run with a bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        bar = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
