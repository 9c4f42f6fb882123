"""Every read-out beside everything it has to beat, on records that none of them was fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import capture, capture_batch
from superneurons.activations.lens import logit_lens
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison
from superneurons.evaluate.contest import Contest, Fitted
from superneurons.evaluate.entrants import LENS, Entrants
from superneurons.evaluate.entries import Entry, chosen_entries, entry_sites
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import Part, Pool, crossed_parts, two_parts
from superneurons.evaluate.rivals import base_task, generated_labels, logits_of
from superneurons.evaluate.setting import early_exits, setting_of
from superneurons.shortcut.form import Form, as_asked
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.shortcut.timing import Timing, time_together
from superneurons.task.record import Record
from superneurons.vlm.answer import generate_answers
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["compare"]

_FOLDS = 5


def compare(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record] | None = None,
    *,
    read_outs: Sequence[str] | None = None,
    prompt: Prompt | None = None,
    generate: bool = True,
    folds: int = _FOLDS,
    batch_size: int = 8,
    repeats: int = 5,
    shuffles: int = 200,
    seed: int = 0,
    steps: Steps = silent,
    witness: Callable[[Entrants], object] | None = None,
) -> Comparison:
    """Fit every read-out and score it, with its rivals, on records that it was not fitted on.

    The model runs once over all records (and once more over yes/no questions per option, where an
    entry needs them); all read-outs are fitted on what it gave. Times are measured apart, by
    really stopping where each may stop, one record at a time.

    Parameters
    ----------
    vlm
        The whole model.
    probe, test
        Labelled records, and others to score on. Without these, ``probe`` is parted into ``folds``
        by picture and group, and each part is answered by what was fitted on the others.
    read_outs
        Keys of :data:`superneurons.evaluate.entries.ENTRIES`.
    prompt, generate
        How all records are asked, and whether the base model also generates its answers.
    batch_size, repeats, shuffles, seed, steps, witness
        Records per forward pass, rounds of the timing (0: no times, and advice without them),
        label shuffles behind the null maximum, seed of everything that is drawn, what shows
        progress, and what is shown all that was fitted, while its activations are there.

    Raises
    ------
    DataError
        When pictures or labels cannot be used, unknown read-outs, records in both sets.
    ModelError
        When the model cannot be asked like this.

    Examples
    --------
    >>> from superneurons import make_task, open_vlm
    >>> records = make_task("dark", n=300)
    >>> compare(open_vlm("demo"), records).recommendation.sentence  # doctest: +SKIP
    'Use Super Neurons, improved: ...'
    """
    records = [*probe, *(test or ())]
    parts = crossed_parts(probe, folds=folds, seed=seed) if test is None else two_parts(probe, test)
    contest, entries = _contest(vlm, records, parts, read_outs, prompt, batch_size, seed, steps)
    rows = _rivals(Entrants(contest, shuffles), batch_size if generate else None, steps)
    found = _compared(rows, entries, repeats, steps, generate=generate)
    if witness is not None:
        witness(rows)
    return found


def _rivals(rows: Entrants, batch_size: int | None, steps: Steps) -> Entrants:
    """Add what needs no activations; the base model generates where it is told in which batches."""
    rows.rivals()
    if batch_size is not None:
        given = _generated(rows.contest, batch_size, steps)
        rows.add(GENERATE, "base", given, exit_layer=rows.contest.vlm.n_layers)
    return rows


def _compared(
    rows: Entrants, entries: Sequence[Entry], repeats: int, steps: Steps, *, generate: bool
) -> Comparison:
    """Fit and time what is to be compared, and say on what."""
    contest, null = rows.contest, _fit_all(rows, entries, steps)
    timings = _timed(rows, repeats, steps, generate=generate) if repeats else {}
    setting = setting_of(contest.vlm, contest.test, repeats, contest.seed, contest.prompt)
    setting |= _searched(contest) | early_exits(fit.classifier for fit in rows.fits if timings)
    return rows.comparison(timings, setting | {"shuffles": rows.shuffles}, null)


def _timed(rows: Entrants, repeats: int, steps: Steps, *, generate: bool) -> dict[str, Timing]:
    calls = _calls(rows.contest, rows.fits, rows.lens_layers, generate=generate)
    with steps("timing") as told:
        return time_together(calls, repeats=repeats, device=rows.contest.vlm.device, progress=told)


def _searched(contest: Contest) -> dict[str, Any]:
    words = contest.base.words
    return {
        "probing_records": len(contest.parts[0].train),
        "parts": len(contest.parts),
        "labels": list(contest.labels) or "each record's own options",
        "label_words": None if words is None else words.as_dict(),
    }


def _generated(contest: Contest, batch_size: int, steps: Steps) -> Answers:
    with steps("base model generates") as told:
        given = generated_labels(
            contest.vlm, contest.base, contest.test, contest.labels, prompt=contest.prompt,
            batch_size=batch_size, progress=told,
        )  # fmt: skip
    return Answers(given)


def _fit_all(rows: Entrants, entries: Sequence[Entry], steps: Steps) -> dict[str, float]:
    """Add every read-out, and return what chance gives the first."""
    with steps("fitting read-outs") as told:
        for done, entry in enumerate(entries, start=1):
            rows.fitted(rows.contest.fit(entry))
            told(done, len(entries))
    with steps("controls"):
        return rows.controls()


def _contest(
    vlm: VLM,
    records: Sequence[Record],
    parts: Sequence[Part],
    read_outs: Sequence[str] | None,
    prompt: Prompt | None,
    batch_size: int,
    seed: int,
    steps: Steps,
) -> tuple[Contest, tuple[Entry, ...]]:
    """Run the model over all records, in every form that is needed."""
    prompt = prompt or Prompt()
    asked = probing_set(records, balanced=False, seed=seed, multiclass="native")
    many = len(asked.labels) != 2
    entries = chosen_entries(read_outs, many=many)
    base = base_task(vlm, records, asked.labels)
    by_form: dict[Form, list[Entry]] = {asked.form: []}
    for entry in entries:
        by_form.setdefault(entry.form(asked.form, many=many), []).append(entry)
    pools: dict[Form, Pool] = {}
    for form, own in by_form.items():
        once = form == asked.form
        probing = asked if once else _unrolled(records, seed)
        with steps("running the model" if once else "asking per option") as told:
            captured = capture(
                vlm, probing.records, sites=entry_sites(own), prompt=prompt,
                batch_size=batch_size, words=base.words if once else None, progress=told,
            )  # fmt: skip
        pools[form] = Pool(probing, _parents(records, probing), captured)
    native = pools[asked.form].captured
    logits = None if base.words is None else logits_of(native)
    return Contest(vlm, records, parts, asked.labels, pools, base, logits, seed, prompt), entries


def _unrolled(records: Sequence[Record], seed: int) -> ProbingSet:
    return probing_set(records, balanced=False, seed=seed, multiclass="unrolled")


def _parents(records: Sequence[Record], probing: ProbingSet) -> NDArray[np.int64]:
    each = [len(as_asked([record], probing.form, probing.labels)) for record in records]
    return np.repeat(np.arange(len(records)), each)


def _calls(
    contest: Contest, fits: Sequence[Fitted], lens_layers: Mapping[bool, int], *, generate: bool
) -> dict[str, Callable[[int], object]]:
    """One record each, from its pictures to the answer."""
    vlm, test, base = contest.vlm, contest.test, contest.base.asked(contest.test)
    prompt = contest.prompt
    calls: dict[str, Callable[[int], object]] = {}
    if generate:
        calls[GENERATE] = lambda number: generate_answers(
            vlm, vlm.encode([base[number % len(base)]], prompt, padding_side="left")
        )
    calls[FIRST_TOKEN] = lambda number: (
        vlm.last_states(vlm.encode([base[number % len(base)]], prompt), logits=True).logits
    )
    for calibrated, layer in lens_layers.items():
        calls[LENS[calibrated]] = _lens_call(contest, layer, base)
    for fit in fits:
        calls[fit.entry.name] = lambda number, fit=fit: list(  # type: ignore[misc]
            fit.classifier.answers([test[number % len(test)]])
        )
    return calls


def _lens_call(contest: Contest, layer: int, base: Sequence[Record]) -> Callable[[int], object]:
    cut, words = contest.vlm.truncated(layer), contest.base.words

    def call(number: int) -> object:
        captured = capture_batch(cut, [base[number % len(base)]], prompt=contest.prompt)
        return words and logit_lens(contest.vlm, captured.activations[:, -1:], words)

    return call
