"""``superneurons lock``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from superneurons.cli import options
from superneurons.cli.data import check_asked, read
from superneurons.cli.output import print_json, quiet, step

if TYPE_CHECKING:
    from superneurons.shortcut.lock import Locked, Share

__all__ = ["lock"]


def lock(
    classifier: Annotated[Path, typer.Argument(help="What `superneurons fit` or `cascade` saved.")],
    data: options.Data,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The lock; others that it holds are kept.")
    ] = Path("superneurons.lock"),
    target_accuracy: Annotated[
        float | None,
        typer.Option(
            help="Wanted share of right answers, of those that are given: 0.95 by default. A "
            "cascade has its own.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what the lock says of this classifier.")
    ] = False,
    model: options.MovedModel = None,
    acceleration: options.Accelerated = "auto",
    preparation: options.Prepared = "auto",
    batch_size: options.BatchSize = 8,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Write down what a classifier is worth on labelled records that it was not fitted on.

    One half of them chooses the confidence below which its answers go on, the other measures its
    accuracy and how many go on. A cascade has thresholds: all of them measure it, and how many
    each of its stages answers. `serve --lock` uses it, `check` measures again.
    """
    from superneurons.evaluate.estimator_locking import check_wanted, lock_estimator
    from superneurons.shortcut.estimator import load_estimator, read_estimator
    from superneurons.shortcut.lock import Lock, locked_there, write_lock

    quiet()
    name, config = classifier.resolve().name, read_estimator(classifier)
    known = locked_there(out, name, overwrite=overwrite)
    check_wanted(classifier, target_accuracy)
    records = read(data, config["question"])
    check_asked(records, config)
    fitted = load_estimator(
        classifier, model, acceleration=acceleration, batch_size=batch_size, device=device,
        trust_remote_code=trust_remote_code, preparation=preparation,
    )  # fmt: skip
    with step("answering") as told:
        found = lock_estimator(
            fitted, classifier, records, target_accuracy=target_accuracy, seed=seed, progress=told
        )
    write_lock(Lock({**known, name: found}), out)
    if as_json:
        print_json({"classifier": name, "lock": str(out), **found.as_dict()})
        return
    for line in (_told_cascade if found.stages else _told)(name, found):
        print(line)
    typed = quote(str(out))
    print(f"Locked in {out}. Next: superneurons serve … --lock {typed}; superneurons check …")


def _told(name: str, found: Locked) -> Iterator[str]:
    if found.met:
        yield (
            f"{name}: answers with a confidence of {found.threshold:.3f} or more are given, others "
            f"go on ({found.chose} records chose it, for {found.target_accuracy:.1%} right)."
        )
    else:
        yield (
            f"{name}: NO confidence makes {found.target_accuracy:.1%} of the answers right on the "
            f"{found.chose} records that choose it: all answers but entirely sure ones go on. "
            "Lower --target-accuracy, or label more records."
        )
    yield f"On {found.accuracy.n} others:"
    yield f"  right, of those given   {_share(found.answered_accuracy)}"
    yield f"  go on                   {_share(found.escalated)}"
    yield f"  right, if all are given {_share(found.accuracy)}"
    if found.answered_accuracy.n and found.answered_accuracy.value < found.target_accuracy:
        yield "The target does NOT hold on these."


def _told_cascade(name: str, found: Locked) -> Iterator[str]:
    met = "reached" if found.met else "NOT reached"
    yield (
        f"{name}: {len(found.stages)} stages, for {found.target_accuracy:.1%} right: {met} on the "
        f"{found.chose} records that chose its thresholds where it was fitted."
    )
    yield f"On {found.accuracy.n} others:"
    for stage in found.stages:
        sure = "never" if stage.threshold is None else f"from {stage.threshold:.3f} on"
        yield f"  {stage}, {'always' if stage.threshold == 0 else sure}"
        yield f"    answers               {_share(stage.answered)}"
        yield f"    right, of these       {_share(stage.right)}"
    yield f"  right, of all           {_share(found.accuracy)}"
    if found.accuracy.value < found.target_accuracy:
        yield "The target does NOT hold on these."


def _share(share: Share) -> str:
    if not share.n:
        return "–"
    low, high = share.interval
    return f"{share.value:.1%} ({low:.1%} to {high:.1%} at 95 %), {share.hits} of {share.n}"
