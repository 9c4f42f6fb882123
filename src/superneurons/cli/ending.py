"""How a command ends: its exit code, its last words, and what becomes of output nobody reads."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from difflib import get_close_matches
from typing import Any, TextIO, cast

import typer

from superneurons.cli.groups import Group
from superneurons.errors import OutputError, SuperNeuronsError

__all__ = ["Commands", "Outlet", "end", "unread"]

_TO_MEND, _INTERRUPTED, _UNREAD = 2, 130, 141  # the last two as a shell says it: 128 + signal


class Commands(Group):
    """A group of commands that says what typer leaves out.

    An interruption is named, with the exit code 130, and for a word that is none of those that an
    option takes, the nearest is offered.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("superneurons: interrupted", file=sys.stderr)
            raise SystemExit(_INTERRUPTED) from None
        except typer.BadParameter as error:
            error.message = _with_nearest(error.message)
            raise


def _with_nearest(message: str) -> str:
    message = message.removeprefix("Value error, ")
    given, found, known = message.partition(" is not one of ")
    near = get_close_matches(given.strip("'"), re.findall(r"'([^']+)'", known), n=1)
    return f"{message} Did you mean {near[0]!r}?" if found and near else message


class Outlet:
    """A stream whose failure stops nothing: what a command still has to keep, it keeps.

    Parameters
    ----------
    stream
        Where text goes, until that fails; then it goes nowhere.

    Attributes
    ----------
    lost
        The first failure; ``None`` while there was none.

    Examples
    --------
    >>> outlet = Outlet(sys.stdout)
    >>> print("heard", file=outlet)
    heard
    >>> outlet.lost is None
    True
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, or drop it where the stream has failed."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream, unless it has failed."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        if self.lost is not None:
            return
        try:
            act()
        except OSError as error:
            self.lost = error
            self._to_nowhere()

    def _to_nowhere(self) -> None:
        # The interpreter flushes what is left when it ends, and would complain.
        try:
            number = self._stream.fileno()
        except OSError:
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def unread() -> bool:
    """Return whether standard output can't be written any more, so that more is of no use."""
    return isinstance(sys.stdout, Outlet) and sys.stdout.lost is not None


def end(command: Callable[[], object]) -> int:
    """Run a command to its end, and turn errors into messages.

    Parameters
    ----------
    command
        What to run.

    Returns
    -------
    int
        The exit code: that of the command; 2 after an error of the package, and when results could
        not be written; 130 after an interruption; 141 when whoever read them went away.
    """
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started this
        return _run(command)
    out, err = Outlet(_forgiving(sys.stdout)), Outlet(_forgiving(sys.stderr))
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, err)):
        code = _run(command)
        out.flush()
        if out.lost is None:
            return code
        if out.lost.errno == errno.EPIPE:
            return code or _UNREAD
        _say(_unwritten(out.lost))
        return code or _TO_MEND


def _run(command: Callable[[], object]) -> int:
    try:
        command()
    except SuperNeuronsError as error:
        _say(error)
        return _TO_MEND
    except KeyboardInterrupt:
        print("superneurons: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _say(error: SuperNeuronsError) -> None:
    print(f"superneurons: {error}", file=sys.stderr)


def _unwritten(error: OSError) -> OutputError:
    return OutputError(
        f"The results cannot be written: {error.strerror}.",
        where="standard output",
        mend="Send them where there is room. What was saved by --out is there.",
    )


def _forgiving(stream: TextIO) -> TextIO:
    """Show what an encoding lacks as a question mark, rather than end for it."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None and stream.errors == "strict":
        reconfigure(errors="replace")
    return stream
