"""``superneurons check``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from superneurons.cli import options
from superneurons.cli.data import check_asked, read
from superneurons.cli.output import print_json, quiet, step

if TYPE_CHECKING:
    from superneurons.evaluate.checking import Checked

__all__ = ["DRIFTED", "check"]

DRIFTED = 3
"""Exit code where something is no longer as it was locked."""

_WORDS = {
    "accuracy": "right, if all are given",
    "answered_accuracy": "right, of those given",
    "escalated": "go on",
}
_CASCADE_WORDS = {
    "accuracy": "right, of all",
    "answered_accuracy": "right, of the first exit",
    "escalated": "go on from there",
}


def check(
    classifier: Annotated[Path, typer.Argument(help="What `superneurons fit` or `cascade` saved.")],
    data: options.Data,
    lock: Annotated[
        Path, typer.Option("--lock", "-l", help="What `superneurons lock` wrote.")
    ] = Path("superneurons.lock"),
    name: Annotated[
        str | None,
        typer.Option(
            help="What the lock calls it; by default as its directory.", show_default=False
        ),
    ] = None,
    level: Annotated[
        float,
        typer.Option(help="How often a check may report a share of an unchanged classifier."),
    ] = 0.01,
    model: options.MovedModel = None,
    acceleration: options.Accelerated = "auto",
    preparation: options.Prepared = "auto",
    batch_size: options.BatchSize = 8,
    device: options.Device = "auto",
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Measure a classifier again, and compare with its lock: model, prompt, accuracy, shares.

    Exits with 3 when something drifted, and says each such thing in one line.
    """
    from superneurons.evaluate.checking import check_locked
    from superneurons.shortcut.estimator import read_estimator
    from superneurons.shortcut.lock import read_lock

    quiet()
    locked = read_lock(lock).locked(name or classifier.resolve().name)
    config = read_estimator(classifier)
    records = read(data, config["question"])
    check_asked(records, config)
    with step("answering") as told:
        found = check_locked(
            locked, classifier, records, level=level, model=model, progress=told,
            acceleration=acceleration, batch_size=batch_size, device=device,
            trust_remote_code=trust_remote_code, preparation=preparation,
        )  # fmt: skip
    if as_json:
        print_json(found.as_dict())
    else:
        for line in _told(found, _CASCADE_WORDS if locked.stages else _WORDS):
            print(line)
    if not found.holds:
        sys.exit(DRIFTED)


def _told(found: Checked, words: Mapping[str, str]) -> Iterator[str]:
    for name, now in found.shares.items():
        yield (
            f"{words.get(name, name):<24} locked {now.locked.value:.1%}, "
            f"now {now.found.value:.1%} of {now.found.n} (p = {now.p_value:.2g})"
        )
    for name, (then, now_installed) in found.versions.items():
        yield f"note: {name} {then} when it was locked, {now_installed} now"
    for finding in found.findings:
        yield f"DRIFT {finding}"
    if not found.shares:
        yield "Nothing was measured: this is something else than was locked."
    elif found.holds:
        yield "As it was locked."
