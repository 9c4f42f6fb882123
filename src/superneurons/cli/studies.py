"""What the commands of ``superneurons robustness``, and others like them, have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from superneurons.cli.data import check_parts, task_or_data
from superneurons.cli.output import print_json, quiet, step
from superneurons.errors import DataError, OutputError

if TYPE_CHECKING:
    from superneurons.evaluate.robustness.sheet import Sheet
    from superneurons.task.record import Record
    from superneurons.vlm.model import VLM

__all__ = [
    "Study", "asked", "begin", "finish", "halves", "named", "numbers", "opened", "wordings_of",
]  # fmt: skip


class Study(Protocol):
    """What every study returns."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""

    def tables(self) -> tuple[Sheet, ...]:
        """Return it as tables."""


def begin(out: Path | None, overwrite: bool) -> None:
    """Refuse a place that can't be written before anything is computed.

    Raises
    ------
    OutputError
        When it is taken, or cannot be written.
    """
    from superneurons.activations.store import write_atomically

    quiet()
    if out is None:
        return
    out = out.expanduser()
    if out.is_dir():
        raise OutputError(
            f"{str(out)!r} is a directory.", where=str(out), mend="Name a file, such as found.json."
        )
    if out.exists() and not overwrite:
        raise OutputError(
            f"{str(out)!r} is there already.",
            where=str(out),
            mend="Choose another file, or allow overwriting (--overwrite).",
        )
    trial = out.with_name(out.name + ".trial")
    write_atomically(trial, b"")
    trial.unlink()


def finish(found: Study, name: str | None, out: Path | None, as_json: bool) -> None:
    """Write what was found to a file, where one is named, and print it."""
    from superneurons.activations.store import write_atomically

    content = {"records": name, **found.as_dict()}
    if out is not None:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_atomically(out.expanduser(), (text + "\n").encode())
    if as_json:
        print_json(content)
        return
    print(f"{name}\n")
    print("\n\n".join(sheet.text() for sheet in found.tables()))


def halves(
    data: str | None, test: str | None, task: str | None, question: str | None, n_probe: int,
    n_test: int, sprites: Any, seed: int,
) -> tuple[list[Record], list[Record]]:  # fmt: skip
    """Return records to fit on and to score on; one file alone is parted in halves, by picture.

    Raises
    ------
    DataError
        As :func:`~superneurons.cli.data.task_or_data` and
        :func:`~superneurons.cli.data.check_parts` do.
    """
    from superneurons.task.split import grouped_split

    probe, others = task_or_data(data, test, task, question, n_probe, n_test, sprites, seed)
    if others is None:
        halves = grouped_split(probe, test_size=0.5, seed=seed)
        probe, others = ([probe[i] for i in half.tolist()] for half in halves)
    check_parts(probe, others)
    return probe, others


def wordings_of(
    task: str | None, own: str | None, given: list[str] | None
) -> tuple[str, tuple[str, ...]]:
    """Return how the questions are worded, and other wordings: those given, else a task's own.

    Raises
    ------
    DataError
        When there are none.
    """
    from superneurons.evaluate.robustness.rewording import QUESTION
    from superneurons.evaluate.robustness.task_wordings import task_wordings

    usual, known = task_wordings(task) if task is not None else (QUESTION, ())
    chosen = tuple(given) if given else known
    if not chosen:
        raise DataError("There is no other wording.", mend="Give some with --wording.")
    return usual if own is None else own, chosen


def named(data: list[str], tests: list[str | None]) -> dict[str, tuple[str, str | None]]:
    """Return files, each with its test file, by the shortest name that tells them apart.

    Raises
    ------
    DataError
        When a file is named twice.
    """
    short = [Path(path).stem for path in data]
    names = short if len(set(short)) == len(data) else data
    if len(set(names)) < len(data):
        raise DataError("The same data twice.", where=", ".join(data), mend="Give different ones.")
    return dict(zip(names, zip(data, tests, strict=True), strict=True))


def numbers(text: str) -> list[int]:
    """Return whole numbers with commas between them.

    Raises
    ------
    DataError
        When they are something else.

    Examples
    --------
    >>> numbers("10,100")
    [10, 100]
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise DataError(
            f"{text!r} is no list of whole numbers.",
            where="--sizes",
            mend="Give some with commas between them, such as 10,100,1000.",
        ) from error


def opened(model: str, revision: str | None, dtype: str, device: str, trust: bool) -> VLM:
    """Open a model, and show that."""
    from superneurons.vlm.opening import open_vlm

    with step("opening the model"):
        return open_vlm(
            model, revision=revision, dtype=dtype, device=device, trust_remote_code=trust
        )


def asked(order: Any, template: str | None, batch_size: int) -> dict[str, Any]:
    """Return how a study asks its records."""
    from superneurons.vlm.prompt import Prompt

    return {"prompt": Prompt(order, template), "batch_size": batch_size, "steps": step}
