"""The paper's rule at several exit layers, beside everything it has to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from superneurons.evaluate.answers import Answers, answers_of
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison, Row
from superneurons.evaluate.null import chance_maximum
from superneurons.evaluate.passes import Passes, Steps, run_passes, silent
from superneurons.evaluate.pool import two_parts
from superneurons.evaluate.rivals import majority_labels, text_only_labels
from superneurons.evaluate.scoring import score_predictions, score_records
from superneurons.evaluate.setting import early_exits, setting_of
from superneurons.probes.registry import make_read_out
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.timing import Timing, time_together
from superneurons.task.record import Record
from superneurons.vlm.answer import generate_answers
from superneurons.vlm.model import VLM

__all__ = ["compare_depths"]

_SHUFFLED = "Super Neurons, shuffled labels"
_NAMES = {"paper": "Super Neurons, paper's rule", "super-neurons": "Super Neurons, improved"}


def compare_depths(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    *,
    read_outs: Sequence[str] = ("paper",),
    depths: Iterable[int] = (1, 2, 4, 8),
    generate: bool = True,
    batch_size: int = 8,
    repeats: int = 7,
    seed: int = 0,
    steps: Steps = silent,
    witness: Callable[[Passes, Mapping[str, SuperNeuronClassifier]], object] | None = None,
) -> tuple[Comparison, SuperNeuronClassifier]:
    """Fit read-outs with all layers and with few, and score everything on other records.

    Every restriction to layers ≤ k is fitted and scored from one pass over the records, on all of
    these layers, even where the read-out would choose fewer. Times are of really stopping there.

    Parameters
    ----------
    vlm
        The whole model.
    probe, test
        Labelled records to fit and calibrate on, and others to score on.
    read_outs, depths
        What to fit, and the exit layers to restrict it to, where the model has them.
    generate
        Whether the base model also generates its answers to all test records.
    batch_size
        Records per forward pass.
    repeats, seed, steps, witness
        Rounds of the timing (one record at a time), seed of all draws, what shows progress, what is
        shown the classifiers by name, and what they were fitted on, while it is there.

    Returns
    -------
    comparison, classifier
        The table, and the first read-out fitted with all layers.

    Raises
    ------
    DataError
        When pictures or labels cannot be used, or records are in both sets.
    """
    two_parts(probe, test)
    passes = run_passes(
        vlm, probe, test, generate=generate, batch_size=batch_size, seed=seed, steps=steps
    )
    fitted = _fit_all(vlm, passes, read_outs, depths, seed)
    calls = _calls(vlm, passes, fitted)
    with steps("timing") as told:
        timings = time_together(calls, repeats=repeats, device=vlm.device, progress=told)
    null = _fit(vlm, passes, read_outs[0], None, seed, null=True)
    if witness is not None:
        witness(passes, fitted)
    setting = setting_of(vlm, test, repeats, seed) | _searched(passes, fitted.values())
    first = next(iter(fitted.values()))
    rows = _rows(vlm, passes, {**fitted, _SHUFFLED: null}, timings, seed)
    return Comparison(rows, setting, _chance(passes, first), test=test), first


def _rows(
    vlm: VLM,
    passes: Passes,
    fitted: Mapping[str, SuperNeuronClassifier],
    timings: Mapping[str, Timing],
    seed: int,
) -> tuple[Row, ...]:
    own = (_row(name, one, passes, timings.get(name), seed) for name, one in fitted.items())
    return (*_rival_rows(vlm, passes, timings, seed), *own)


def _searched(passes: Passes, fitted: Iterable[SuperNeuronClassifier]) -> dict[str, Any]:
    return early_exits(fitted) | {
        "probing_records": len(passes.probe),
        "probing_questions": len(passes.probing.records),
        "neurons_searched": passes.captured.flat.shape[1],
    }


def _chance(passes: Passes, classifier: SuperNeuronClassifier) -> dict[str, float]:
    learnt = classifier.read_out_.get_state().values
    best = {"best_neuron_on_probing_set": learnt["best_score_"]} if "best_score_" in learnt else {}
    searched = passes.captured.flat.shape[1]
    chance = chance_maximum(len(passes.probing.records), searched)
    return {name: float(str(value)) for name, value in best.items()} | {"chance_maximum": chance}


def _fit_all(
    vlm: VLM, passes: Passes, read_outs: Sequence[str], depths: Iterable[int], seed: int
) -> dict[str, SuperNeuronClassifier]:
    """Fit each read-out with all layers, then with the first few."""
    few = [depth for depth in sorted(set(depths)) if depth < vlm.n_layers]
    fitted = {}
    for read_out in read_outs:
        name = _NAMES.get(read_out, read_out)
        fitted[name] = _fit(vlm, passes, read_out, None, seed)
        for depth in few:
            fitted[f"{name}, layers ≤ {depth}"] = _fit(vlm, passes, read_out, depth, seed)
    return fitted


def _fit(
    vlm: VLM,
    passes: Passes,
    read_out: str,
    max_layer: int | None,
    seed: int,
    *,
    null: bool = False,
) -> SuperNeuronClassifier:
    # Restricted to some layers, a read-out shows what all of them give: it chooses no fewer.
    whole = max_layer is not None and "tolerance" in make_read_out(read_out).get_params()
    classifier = SuperNeuronClassifier(
        vlm, read_out=read_out, read_out_params={"tolerance": None} if whole else None,
        multiclass="unrolled", max_layer=max_layer, random_state=seed,
    )  # fmt: skip
    probing = passes.probing.shuffled(seed) if null else passes.probing
    return classifier.fit_captured(probing, passes.captured)


def _calls(
    vlm: VLM, passes: Passes, fitted: Mapping[str, SuperNeuronClassifier]
) -> dict[str, Callable[[int], object]]:
    """One record each, from its pictures to the answer."""
    base = passes.base.asked(passes.test)

    def generate(number: int) -> object:
        record = base[number % len(base)]
        return generate_answers(vlm, vlm.encode([record], padding_side="left"))

    def prefill(number: int) -> object:
        inputs = vlm.encode([base[number % len(base)]])
        return vlm.last_states(inputs, logits=True).logits

    def shortcut(classifier: SuperNeuronClassifier) -> Callable[[int], object]:
        return lambda number: classifier.answer(vlm, [passes.test[number % len(passes.test)]])

    return {
        GENERATE: generate,
        FIRST_TOKEN: prefill,
        **{name: shortcut(classifier) for name, classifier in fitted.items()},
    }


def _rival_rows(vlm: VLM, passes: Passes, timings: Mapping[str, Timing], seed: int) -> list[Row]:
    def row(
        name: str, given: list[str] | None, timing: Timing | None = None, note: str = ""
    ) -> Row:
        layers = None if timing is None else vlm.n_layers
        if given is None:
            return Row(name, None, layers, timing=timing, note=note)
        scores = score_records(passes.test, given, labels=passes.labels, seed=seed)
        return Row(name, scores, layers, timing=timing, answers=Answers(given))

    base, parts = passes.base, (passes.probe, passes.test, passes.labels)
    rows = [
        row("majority class", majority_labels(*parts)),
        row("text only", text_only_labels(*parts)),
        row(GENERATE, passes.generated, timings[GENERATE]),
    ]
    prefill = timings[FIRST_TOKEN]
    if passes.probe_logits is None or passes.test_logits is None:
        return [*rows, row(FIRST_TOKEN, None, prefill, base.why_not)]
    calibrated = base.calibrated(
        passes.calibrating, passes.probe_logits, passes.test, passes.test_logits
    )
    return [
        *rows,
        row(FIRST_TOKEN, base.raw(passes.test, passes.test_logits), prefill),
        row("calibrated logits", calibrated, prefill),
    ]


def _row(
    name: str,
    classifier: SuperNeuronClassifier,
    passes: Passes,
    timing: Timing | None,
    seed: int,
) -> Row:
    given = classifier.answer_captured(passes.test, passes.captured_test)
    scores = score_predictions(passes.test, given, labels=passes.labels, seed=seed)
    layer, neurons = classifier.exit_layer_, len(classifier.neurons_)
    answers = answers_of(passes.test, given, passes.labels)
    return Row(name, scores, layer, neurons, timing, answers=answers)
