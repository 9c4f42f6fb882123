"""One pass over the probing set, which is kept, and one over the test set, which is answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured, captures, joined
from superneurons.activations.site import Site
from superneurons.evaluate.passes import Steps
from superneurons.evaluate.reproduction.candidates import Candidate
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Given", "Passes", "given_by"]


@dataclass(frozen=True, slots=True)
class Given:
    """Answers to N binary questions.

    Parameters
    ----------
    labels
        N of them.
    decisions
        Shape (N,), higher for the positive answer; ``None`` where there are none.
    """

    labels: list[str]
    decisions: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Passes:
    """Runs the model over questions, each once.

    Parameters
    ----------
    vlm
        The whole model.
    sites
        What is read.
    words
        The label words whose logits are kept along.
    prompt, batch_size, max_layer
        How it is asked, and the last layer that is read of any site.
    steps
        Shows progress.
    """

    vlm: VLM
    sites: Sequence[Site]
    words: LabelWords | None
    prompt: Prompt
    batch_size: int
    max_layer: int | None
    steps: Steps

    def kept(self, records: Sequence[Record], name: str) -> Captured:
        """Return what the model gives for questions."""
        return joined(list(self._batches(records, name)))

    def answered(
        self, records: Sequence[Record], candidates: Sequence[Candidate], name: str
    ) -> dict[str, Given]:
        """Answer questions batch by batch, so that no more than one is ever held.

        Returns
        -------
        dict
            The answers by each candidate's key.
        """
        found: dict[str, list[Given]] = {candidate.key: [] for candidate in candidates}
        for batch in self._batches(records, name):
            for candidate in candidates:
                found[candidate.key].append(given_by(candidate, batch))
        return {key: _joined(parts) for key, parts in found.items()}

    def _batches(self, records: Sequence[Record], name: str) -> Iterator[Captured]:
        starts = range(0, len(records), self.batch_size)
        batches = (records[start : start + self.batch_size] for start in starts)
        coming = captures(self.vlm, batches, sites=self.sites, prompt=self.prompt, words=self.words)
        with self.steps(name) as told, closing(coming):
            for done, batch in enumerate(coming, start=1):
                yield self._cut(batch)
                told(min(done * self.batch_size, len(records)), len(records))

    def _cut(self, batch: Captured) -> Captured:
        if self.max_layer is None:
            return batch
        # A copy, so that the layers beyond are let go of.
        states = {site: states[:, : self.max_layer].copy() for site, states in batch.states.items()}
        return Captured(states, batch.label_logits, batch.first_tokens)


def given_by(candidate: Candidate, captured: Captured) -> Given:
    """Let a candidate answer captured questions."""
    X = candidate.columns(captured)
    labels = [str(label) for label in candidate.decides.predict(X)]
    return Given(labels, candidate.decides.decision_function(X))


def _joined(parts: Sequence[Given]) -> Given:
    labels = [label for part in parts for label in part.labels]
    return Given(labels, np.concatenate([p.decisions for p in parts if p.decisions is not None]))
