"""Results to standard output, progress and warnings to standard error."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from superneurons.activations.capture import Progress

__all__ = ["print_json", "quiet", "step"]


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON on standard output."""
    print(json.dumps(value, indent=indent, ensure_ascii=False))


def quiet() -> None:
    """Keep libraries' own chatter off the terminal, and print warnings in one line."""
    from transformers.utils import logging as chatter

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    warnings.showwarning = _show  # type: ignore[assignment]  # never called by keyword


def _show(
    message: Warning | str,
    _category: type[Warning],
    _filename: str,
    _lineno: int,
    _file: TextIO | None = None,
    _line: str | None = None,
) -> None:
    print(f"superneurons: warning: {message}", file=sys.stderr)


@contextmanager
def step(name: str, /) -> Iterator[Progress]:
    """Show one step of a run with a bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        bar = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
