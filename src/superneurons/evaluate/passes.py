"""Run the base model over the probing and the test records once, and keep all that it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured, Progress, capture
from superneurons.evaluate.rivals import BaseTask, base_task, generated_labels, logits_of
from superneurons.shortcut.probing import ProbingSet, asked, probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

__all__ = ["Passes", "Steps", "run_passes", "silent"]


class Steps(Protocol):
    """Opens a named step of a long run and gives what its progress is told to."""

    def __call__(self, name: str, /) -> AbstractContextManager[Progress]:
        """Open the step."""


@contextmanager
def silent(_name: str, /) -> Iterator[Progress]:
    """Show nothing."""
    yield lambda _done, _total: None


@dataclass(frozen=True)
class Passes:
    """What the base model gives on some records.

    Parameters
    ----------
    probe, test
        The records.
    probing
        What was asked of the model for ``probe``.
    captured, captured_test
        Activations of all layers for the probing set, and for what the test records ask.
    base
        How the base model itself is asked.
    calibrating
        The records of ``probe`` that ``probe_logits`` are of.
    probe_logits, test_logits
        First-token logits of the labels; ``None`` where the first token can't tell them apart.
    generated
        The label that the base model generated for each test record, "" for none; ``None`` when
        it was not asked to.
    """

    probe: Sequence[Record]
    test: Sequence[Record]
    probing: ProbingSet
    captured: Captured
    captured_test: Captured
    base: BaseTask
    calibrating: Sequence[Record]
    probe_logits: NDArray[np.float32] | None
    test_logits: NDArray[np.float32] | None
    generated: list[str] | None

    @property
    def labels(self) -> tuple[str, ...]:
        """The common labels; empty when records bring options of their own."""
        return self.probing.labels


def run_passes(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    *,
    batch_size: int = 8,
    generate: bool = True,
    seed: int = 0,
    steps: Steps = silent,
) -> Passes:
    """Run the whole base model over records, as many times as needed and no more.

    Without ``generate`` it is not asked to generate answers.

    Raises
    ------
    DataError
        When pictures or labels cannot be used.
    """
    # The read-outs to compare share one capture, and not all of them know more than two classes.
    probing = probing_set(probe, balanced=True, seed=seed, multiclass="unrolled")
    base = base_task(vlm, probe, probing.labels)
    # One pass gives both, unless the base model is asked otherwise than the neurons are.
    words = None if probing.unrolled else base.words
    with steps("probing set") as told:
        captured = capture(vlm, probing.records, batch_size=batch_size, words=words, progress=told)
    with steps("test set") as told:
        captured_test = capture(
            vlm, asked(test, probing), batch_size=batch_size, words=words, progress=told
        )
    probe_logits = test_logits = None
    # A balanced probing set leaves some of them out.
    calibrating = probe if words is None else probing.records
    if words is not None:
        probe_logits, test_logits = logits_of(captured), logits_of(captured_test)
    elif base.words is not None:
        with steps("base model's logits") as told:
            both = base.logits(vlm, [*probe, *test], batch_size=batch_size, progress=told)
            probe_logits, test_logits = both[: len(probe)], both[len(probe) :]
    generated = None
    if generate:
        with steps("base model generates") as told:
            generated = generated_labels(
                vlm, base, test, probing.labels, batch_size=batch_size, progress=told
            )
    return Passes(
        probe, test, probing, captured, captured_test, base, calibrating, probe_logits,
        test_logits, generated,
    )  # fmt: skip
