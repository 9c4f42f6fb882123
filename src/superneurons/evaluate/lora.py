"""Fine-tuning as a rival: LoRA and Super Neurons, both taught by the same records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.errors import DataError, Problem
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison
from superneurons.evaluate.contest import Fitted
from superneurons.evaluate.entrants import CALIBRATED, Entrants
from superneurons.evaluate.entries import Entry
from superneurons.evaluate.logit_answers import logit_answers
from superneurons.evaluate.lora_adapters import require_peft
from superneurons.evaluate.lora_frozen import Frozen
from superneurons.evaluate.lora_training import LoraSettings, Tuned, train_lora
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import Part, two_parts
from superneurons.evaluate.setting import early_exits, setting_of
from superneurons.evaluate.spent import Spent, spending
from superneurons.shortcut.timing import time_together
from superneurons.task.record import Record
from superneurons.vlm.memory import weights_of
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["LORA", "LoraRival", "check_sizes", "compare_lora"]

LORA = {False: "LoRA, first token", True: "LoRA, calibrated logits"}
"""Rows of the fine-tuned model, raw and calibrated."""


@dataclass(frozen=True)
class LoraRival:
    """Super Neurons and LoRA, taught by the same records.

    Parameters
    ----------
    n_probe
        How many.
    comparison
        Scores, times and how far the improved Super Neurons are ahead of each row.
    spent
        What learning took, by row. Of a read-out: running the frozen model over the records, and
        fitting; of LoRA: every step and look, at every learning rate.
    tuned
        What was trained, as JSON values.
    """

    n_probe: int
    comparison: Comparison
    spent: Mapping[str, Spent]
    tuned: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        spent = {name: own.as_dict() for name, own in self.spent.items()}
        return {
            "n_probe": self.n_probe, **self.comparison.as_dict(), "learning": spent,
            "lora": self.tuned,
        }  # fmt: skip


def compare_lora(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    *,
    settings: LoraSettings | None = None,
    sizes: Sequence[int] = (),
    prompt: Prompt | None = None,
    batch_size: int = 8,
    repeats: int = 5,
    seed: int = 0,
    steps: Steps = silent,
    told: Callable[[LoraRival], object] = lambda _: None,
) -> list[LoraRival]:
    """Fine-tune adapters and fit Super Neurons on the same records, and score both on others.

    Both get the same balanced probing set. LoRA holds a part of it out, to choose step and rate by
    and to calibrate its logits on; Super Neurons are cross-validated within it.

    Parameters
    ----------
    vlm
        The whole model. It is never copied or changed: adapters are in a twin that shares its
        weights, and are gone with it.
    probe, test
        Labelled records, and others to score on.
    sizes
        For a learning curve: numbers of probing records, each set within the next larger one, with
        labels as evenly as there are. All of them by default.
    settings, prompt, batch_size, repeats, seed, steps, told
        How adapters are trained, how records are asked, records per frozen pass, rounds of the
        timing (0: none), seed of all that is drawn, what shows progress, and what is given each
        result as soon as it is there.

    Returns
    -------
    list of LoraRival
        One for each size, ascending.

    Raises
    ------
    DataError
        When pictures, labels or sizes can't be used, or records are in both sets.
    MissingExtraError
        When ``peft`` is not installed.
    ModelError
        When the model can't be asked like this, or its first token can't tell the labels apart.
    """
    require_peft()
    settings, prompt = settings or LoraSettings(), prompt or Prompt()
    chosen = check_sizes(sizes, len(probe))
    order = _evenly(probe, seed)[: chosen[-1]] if sizes else range(len(probe))
    records = [*(probe[i] for i in order), *test]
    two_parts(records[: chosen[-1]], test)
    given = Frozen(vlm, records, chosen, prompt, batch_size, seed, steps)
    found = []
    for size in chosen:
        found.append(_Rivals(given, settings, size, repeats).rival())
        told(found[-1])
    return found


def check_sizes(sizes: Sequence[int], n: int) -> list[int]:
    """Return sizes of the probing set, ascending; all of it for none.

    Parameters
    ----------
    sizes
        Numbers of records.
    n
        How many there are.

    Raises
    ------
    DataError
        When some can't be had; lists all.
    """
    problems = [
        Problem(f"size {size}", f"is not from 4 to the {n} probing records there are")
        for size in sizes
        if not 4 <= size <= n
    ]
    if problems:
        raise DataError(
            "Some sizes of the probing set can't be had.", problems=problems,
            mend="Give more records, or fewer and smaller sizes.",
        )  # fmt: skip
    return sorted(set(sizes)) or [n]


def _evenly(records: Sequence[Record], seed: int) -> list[int]:
    """An order whose first records have every label as often as there are records for it."""
    drawn = np.random.default_rng(seed).permutation(len(records)).tolist()
    before: dict[object, int] = {}
    turns = []
    for index in drawn:
        record = records[index]
        place = record.options.index(str(record.label)) if record.options else record.label
        turns.append(before.setdefault(place, 0))
        before[place] += 1
    return [index for _, index in sorted(zip(turns, drawn, strict=True), key=lambda pair: pair[0])]


class _Rivals:
    """All rows of one size."""

    def __init__(self, given: Frozen, settings: LoraSettings, size: int, repeats: int) -> None:
        numbers = np.arange(len(given.contest.records))
        n_probe = max(given.sizes)
        part = Part(numbers[:size], numbers[n_probe:])
        self.given, self.settings, self.repeats = given, settings, repeats
        self.contest = replace(given.contest, parts=[part])
        self.rows = Entrants(self.contest, 0)
        self.spent: dict[str, Spent] = {}

    def rival(self) -> LoraRival:
        """Let every side learn and answer, and time them against each other."""
        contest, whole = self.contest, self.contest.vlm.n_layers
        size = len(contest.parts[0].train)
        raw, fitted = (contest.by_logits(calibrated=own) for own in (False, True))
        self.rows.add(FIRST_TOKEN, "base", raw, exit_layer=whole)
        self.rows.add(CALIBRATED, "calibrated", fitted, exit_layer=whole)
        self.spent[CALIBRATED] = self.given.spent[contest.native, size]
        for entry in self.given.entries:
            self._fit(entry, size)
        tuned = self._tune(size)
        timings = self._timings(tuned)
        if LORA[False] in timings:
            timings[LORA[True]] = timings[LORA[False]]
        setting = setting_of(
            contest.vlm, contest.test, self.repeats, contest.seed, contest.prompt
        ) | {"probing_records": size, "weight_bytes": weights_of(contest.vlm.model)}
        if timings:
            setting |= early_exits(fit.classifier for fit in self.rows.fits)
        found = replace(self.rows.comparison(timings, setting, {}), recommendation=None)
        return LoraRival(size, found, self.spent, self._said(tuned))

    def _fit(self, entry: Entry, size: int) -> None:
        pool = self.contest.pool(entry)
        with spending(self.contest.vlm.device) as spent:
            fit = self.contest.fit(entry)
        self.spent[entry.name] = self.given.spent[pool.form, size] + spent
        self.rows.fits.append(fit)
        self.rows.add(
            entry.name, entry.kind, fit.answers, exit_layer=fit.classifier.exit_layer_,
            neurons=len(fit.classifier.neurons_),
        )  # fmt: skip

    def _tune(self, size: int) -> Tuned:
        contest, given = self.contest, self.given
        pool = contest.pools[contest.native]
        chosen = pool.balanced_rows(contest.parts[0].train, contest.seed)
        records = [contest.records[index] for index in pool.parents[chosen]]
        common: Any = {"prompt": contest.prompt, "seed": contest.seed}
        if contest.vlm.device.type == "cuda":  # whose first step isn't like the others
            once = replace(self.settings, rates=self.settings.rates[:1], steps=1, looks=1)
            train_lora(contest.vlm, contest.base, records, once, **common)
        with given.steps(f"training LoRA on {size}") as told, spending(contest.vlm.device) as spent:
            tuned = train_lora(
                contest.vlm, contest.base, records, self.settings, progress=told, **common
            )
        held, test = self._logits(tuned.vlm, tuned.held), self._logits(tuned.vlm, contest.test)
        for calibrated, name in LORA.items():
            answers: Answers = logit_answers(
                contest.base, (tuned.held, held), (contest.test, test), calibrated=calibrated
            )
            self.rows.add(name, None, answers, exit_layer=contest.vlm.n_layers)
            self.spent[name] = spent
        return tuned

    def _logits(self, vlm: VLM, records: Sequence[Record]) -> NDArray[np.float32]:
        given = self.given
        return given.base.logits(vlm, records, prompt=given.prompt, batch_size=given.batch_size)

    def _timings(self, tuned: Tuned) -> dict[str, Any]:
        if not self.repeats:
            return {}
        contest, test = self.contest, self.contest.test
        asked = contest.base.asked(test)

        def whole(vlm: VLM) -> Callable[[int], object]:
            def call(number: int) -> torch.Tensor | None:
                inputs = vlm.encode([asked[number % len(asked)]], contest.prompt)
                return vlm.last_states(inputs, logits=True).logits

            return call

        def early(fit: Fitted) -> Callable[[int], object]:
            return lambda number: list(fit.classifier.answers([test[number % len(test)]]))

        calls = {FIRST_TOKEN: whole(contest.vlm), LORA[False]: whole(tuned.vlm)}
        calls |= {fit.entry.name: early(fit) for fit in self.rows.fits}
        with self.given.steps("timing") as told:
            device = contest.vlm.device
            return time_together(calls, repeats=self.repeats, device=device, progress=told)

    def _said(self, tuned: Tuned) -> dict[str, Any]:
        return {
            "settings": asdict(self.settings),
            "weights": tuned.weights,
            "trained_on": tuned.n_trained,
            "held_out": len(tuned.held),
            "chosen": asdict(tuned.chosen),
            "looks": [asdict(look) for look in tuned.looks],
        }
