from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pictures import bright_records, choices, shades
from superneurons.activations.capture import capture
from superneurons.probes.logits import CalibratedLogits
from superneurons.shortcut.cascade_run import Anew, GoneOn, Way, live_stages, run_stages
from superneurons.shortcut.cascade_stages import Stage, fit_base, fit_stage
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords, label_words
from superneurons.vlm.lean.decoder import DecoderLayer
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

Maker = Callable[..., list[Record]]


def stages_of(vlm: VLM, probing: ProbingSet, layers: tuple[int, ...] = (1, 3)) -> list[Stage]:
    """Stages that each let about half of the records go on, and the base model's answer."""
    words = words_of(vlm, probing)
    captured = capture(vlm, probing.records, words=words)
    assert captured.label_logits is not None
    stages = []
    for layer in layers:
        stage = fit_stage(
            vlm, layer, captured.activations, probing,
            read_out="super-neurons", read_out_params={"max_neurons": 3}, seed=0,
        )  # fmt: skip
        sure = stage.read_out.predict_proba(stage.take(captured.activations, probing.records))
        stages.append(replace(stage, threshold=float(np.median(sure.max(axis=1)))))
    return [*stages, fit_base(vlm, captured.label_logits, probing)]


def words_of(vlm: VLM, probing: ProbingSet) -> LabelWords:
    return label_words(vlm.processor, sorted(set(probing.y.tolist())))


def lean_way(vlm: VLM, probing: ProbingSet) -> GoneOn:
    lean = lean_of(vlm)
    assert lean is not None
    return GoneOn(lean, vlm.encode(probing.records), vlm.n_layers)


def anew_way(vlm: VLM, probing: ProbingSet) -> Anew:
    return Anew(vlm, probing.records, vlm.encode(probing.records), Prompt())


def answers(
    vlm: VLM, way: Way, stages: list[Stage], records: list[Record], probing: ProbingSet
) -> list[tuple[int, str, NDArray[np.float64]]]:
    found = run_stages(
        way, stages, records, probing.records,
        form=probing.form, labels=probing.labels, words=words_of(vlm, probing),
    )  # fmt: skip
    return [(stage, label, np.array(list(shares.values()))) for stage, (label, shares) in found]


@pytest.mark.parametrize("make", [bright_records, shades, choices])
def test_answers_are_those_of_models_cut_off_at_each_stage(vlm: VLM, make: Maker) -> None:
    records = make(18)
    probing = probing_set(records, balanced=False, seed=0)
    stages = stages_of(vlm, probing)
    found = answers(vlm, lean_way(vlm, probing), stages, records, probing)
    assert set(Counter(stage for stage, _, _ in found)) == {0, 1, 2}
    for (given, label, shares), record, asked in zip(found, records, probing.records, strict=True):
        index, odds = cut_off(vlm, stages, record, asked, probing)
        assert given == index
        np.testing.assert_allclose(shares, odds, atol=2e-3)
        assert label == (record.options or probing.labels)[int(odds.argmax())]


def cut_off(
    vlm: VLM, stages: list[Stage], record: Record, asked: Record, probing: ProbingSet
) -> tuple[int, NDArray[np.float64]]:
    """Answer one record by one model after the other, each cut off at its stage."""
    for index, stage in enumerate(stages):
        cut = vlm.truncated(stage.layer)
        if stage.is_base:
            X: Any = capture(cut, [asked], words=words_of(vlm, probing)).label_logits
        else:
            X = stage.take(capture(cut, [asked]).activations, [asked])
        odds = stage.read_out.predict_proba(X)[0]
        if probing.form == "lettered":
            odds = odds[: len(record.options or ())]
            odds = odds / odds.sum()
        if odds.max() >= stage.threshold:
            return index, odds
    raise AssertionError("the last stage answers all")


def test_both_ways_lead_to_the_same_answers(vlm: VLM) -> None:
    records = shades(20)
    probing = probing_set(records, balanced=False, seed=0)
    stages = stages_of(vlm, probing)
    one = answers(vlm, lean_way(vlm, probing), stages, records, probing)
    two = answers(vlm, anew_way(vlm, probing), stages, records, probing)
    for a, b in zip(one, two, strict=True):
        assert a[:2] == b[:2]
        np.testing.assert_allclose(a[2], b[2], atol=2e-3)


def test_no_layer_runs_twice_for_a_record(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    records = bright_records(16)
    probing = probing_set(records, balanced=False, seed=0)
    stages = stages_of(vlm, probing)
    lean = lean_of(vlm)
    assert lean is not None
    number = {id(layer): k for k, layer in enumerate(lean.layers, start=1)}
    begun: Counter[int] = Counter()
    completed: Counter[int] = Counter()
    for name, counts in (("whole", begun), ("read_last", begun), ("completed", completed)):
        monkeypatch.setattr(DecoderLayer, name, _counted(name, counts, number))
    seen = []
    see = type(lean.tower).see
    monkeypatch.setattr(
        type(lean.tower), "see", lambda self, *a, **k: (seen.append(1), see(self, *a, **k))[1]
    )
    found = answers(vlm, lean_way(vlm, probing), stages, records, probing)
    stopped = Counter(stage for stage, _, _ in found)
    assert len(stopped) == 3
    to_second = stopped[1] + stopped[2]
    assert len(seen) == 1
    assert begun == {1: 16, 2: to_second, 3: to_second, 4: stopped[2]}
    # What a stage left out of its last layer is made up for those that go on, and no others.
    assert completed == {1: to_second, 3: stopped[2]}


def _counted(name: str, counts: Counter[int], number: dict[int, int]) -> Callable[..., Any]:
    run = getattr(DecoderLayer, name)

    def counted(self: DecoderLayer, x: torch.Tensor, *rest: Any) -> Any:
        counts[number[id(self)]] += len(x)
        return run(self, x, *rest)

    return counted


def test_only_stages_that_can_answer_are_stopped_at() -> None:
    def alive(*thresholds: float) -> list[int]:
        return live_stages([Stage(k, CalibratedLogits(), (), t) for k, t in enumerate(thresholds)])

    assert alive(0.9, 0.8, 0.0) == [0, 1, 2]
    assert alive(inf, 0.8, 0.0) == [1, 2]
    assert alive(0.9, 0.0, 0.0) == [0, 1]
    assert alive(inf, inf, 0.0) == [2]
    assert alive(0.0) == [0]


def test_nothing_runs_after_the_last_record_is_answered(llava: VLM) -> None:
    records = bright_records(6)
    probing = probing_set(records, balanced=False, seed=0)
    sure, *others = stages_of(llava, probing)
    run: list[int] = []

    class Counting(Anew):
        def activations(self, layer: int) -> NDArray[np.float16]:
            run.append(layer)
            return super().activations(layer)

    way = Counting(llava, probing.records, llava.encode(probing.records), Prompt())
    found = answers(llava, way, [replace(sure, threshold=0.01), *others], records, probing)
    assert [stage for stage, _, _ in found] == [0] * 6
    assert run == [1]
