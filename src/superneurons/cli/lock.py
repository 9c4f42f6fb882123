"""``superneurons lock``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from superneurons.cli import options
from superneurons.cli.data import check_asked, read
from superneurons.cli.output import print_json, quiet, step

if TYPE_CHECKING:
    from superneurons.shortcut.lock import Locked, Share

__all__ = ["lock"]


def lock(
    classifier: Annotated[Path, typer.Argument(help="What `superneurons fit` saved.")],
    data: options.Data,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The lock; others that it holds are kept.")
    ] = Path("superneurons.lock"),
    target_accuracy: Annotated[
        float, typer.Option(help="Wanted share of right answers, of those that are given.")
    ] = 0.95,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what the lock says of this classifier.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The base model, if it is elsewhere now.")
    ] = None,
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
    accuracy and how many go on. `serve --lock` uses it, `check` measures again.
    """
    from superneurons.evaluate.locking import check_target, lock_classifier
    from superneurons.shortcut.artefact import read_config
    from superneurons.shortcut.classifier import SuperNeuronClassifier
    from superneurons.shortcut.lock import Lock, locked_there, write_lock

    quiet()
    name, config = classifier.resolve().name, read_config(classifier)
    known = locked_there(out, name, overwrite=overwrite)
    check_target(target_accuracy)
    records = read(data, config["question"])
    check_asked(records, config)
    fitted = SuperNeuronClassifier.from_pretrained(
        classifier, model, acceleration=acceleration, batch_size=batch_size, device=device,
        trust_remote_code=trust_remote_code, preparation=preparation,
    )  # fmt: skip
    with step("answering") as told:
        found = lock_classifier(
            fitted, classifier, records, target_accuracy=target_accuracy, seed=seed, progress=told
        )
    write_lock(Lock({**known, name: found}), out)
    if as_json:
        from dataclasses import asdict

        print_json({"classifier": name, "lock": str(out), **asdict(found)})
        return
    for line in _told(name, out, found):
        print(line)


def _told(name: str, out: Path, found: Locked) -> Iterator[str]:
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
    yield f"Locked in {out}. Next: superneurons serve … --lock {out}; superneurons check …"


def _share(share: Share) -> str:
    if not share.n:
        return "–"
    low, high = share.interval
    return f"{share.value:.1%} ({low:.1%} to {high:.1%} at 95 %), {share.hits} of {share.n}"
