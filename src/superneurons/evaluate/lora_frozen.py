"""What the frozen model gives for the records that read-outs and LoRA learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from superneurons.activations.capture import Captured, capture, joined
from superneurons.errors import ModelError
from superneurons.evaluate.contest import Contest
from superneurons.evaluate.entries import chosen_entries
from superneurons.evaluate.passes import Steps
from superneurons.evaluate.pool import Pool
from superneurons.evaluate.rivals import base_task, logits_of
from superneurons.evaluate.spent import Spent, spending
from superneurons.shortcut.form import Form, as_asked
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Frozen"]

_READ_OUTS = ("super-neurons", "paper")


class Frozen:
    """What the frozen model gives for all records, and what it took, size by size.

    Parameters
    ----------
    vlm
        The whole model.
    records
        Probing records, then those to score on.
    sizes
        Numbers of probing records, ascending; the last is that of all.
    prompt, batch_size, seed, steps
        As in :func:`~superneurons.evaluate.lora.compare_lora`.

    Attributes
    ----------
    contest : Contest
        Of all records, in no parts yet.
    entries : tuple of Entry
        The read-outs.
    spent : dict
        What it took to run the model over so many probing records, by form and size.

    Raises
    ------
    DataError
        When pictures or labels can't be used.
    ModelError
        When the first token can't tell the labels apart.
    """

    def __init__(
        self,
        vlm: VLM,
        records: Sequence[Record],
        sizes: Sequence[int],
        prompt: Prompt,
        batch_size: int,
        seed: int,
        steps: Steps,
    ) -> None:
        self.vlm, self.prompt, self.batch_size = vlm, prompt, batch_size
        self.seed, self.steps, self.sizes = seed, steps, sizes
        asked = probing_set(records, balanced=False, seed=seed)
        many = len(asked.labels) != 2
        self.entries = chosen_entries(_READ_OUTS, many=many)
        self.base = base_task(vlm, records, asked.labels)
        if self.base.words is None:
            raise ModelError(
                "LoRA can't be trained and scored: the label words can't be told apart.",
                mend=self.base.why_not,
            )
        self.spent: dict[tuple[Form, int], Spent] = {}
        forms = dict.fromkeys(entry.form(asked.form, many=many) for entry in self.entries)
        pools: dict[Form, Pool] = {}
        for form in dict.fromkeys((asked.form, *forms)):
            probing = asked
            if form != asked.form:
                probing = probing_set(records, balanced=False, seed=seed, multiclass="unrolled")
            pools[form] = self._pool(records, probing, words=form == asked.form)
        logits = logits_of(pools[asked.form].captured)
        self.contest = Contest(
            vlm, records, [], asked.labels, pools, self.base, logits, seed, prompt
        )

    def _pool(self, records: Sequence[Record], probing: ProbingSet, *, words: bool) -> Pool:
        each = [len(as_asked([record], probing.form, probing.labels)) for record in records]
        ends = np.cumsum([0, *each])
        parts: list[Captured] = []
        options: dict[str, Any] = {
            "prompt": self.prompt, "batch_size": self.batch_size,
            "words": self.base.words if words else None,
        }  # fmt: skip
        capture(self.vlm, probing.records[: self.batch_size], **options)  # nobody's first pass
        before, so_far, n = 0, Spent(), int(ends[-1])
        with self.steps("running the model" if words else "asking per option") as told:
            for size in dict.fromkeys((*self.sizes, len(records))):
                rows = probing.records[ends[before] : ends[size]]
                with spending(self.vlm.device) as spent:
                    parts.append(capture(self.vlm, rows, **options))
                so_far = so_far + spent
                self.spent[probing.form, size], before = so_far, size
                told(int(ends[size]), n)
        parents = np.repeat(np.arange(len(records)), each)
        return Pool(probing, parents, joined(parts))
