from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pictures import murky
from superneurons.errors import DataError, ModelError, ResourceError
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_answering import words_for
from superneurons.task.record import Record
from superneurons.vlm.answer import label_words
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def halting(vlm: VLM) -> Cascade:
    """A cascade whose stages each let some of the records go on."""
    cascade = Cascade(vlm, layers=[1, 3], read_out_params={"max_neurons": 2})
    cascade.fit(murky(48))
    return letting_on(cascade, murky(30, seed=4))


def letting_on(cascade: Cascade, records: list[Record]) -> Cascade:
    """Set thresholds so that each stage answers about half of the records that reach it."""
    for number, stage in enumerate(cascade.stages_[:-1]):
        earlier, later = cascade.stages_[:number], cascade.stages_[number + 1 :]
        cascade.stages_ = (*earlier, replace(stage, threshold=0.0), *later)
        found = cascade.answers(records)
        sure = [answer.confidence for answer in found if answer.exit_layer == stage.layer]
        cascade.stages_ = (*earlier, replace(stage, threshold=float(np.median(sure))), *later)
    return cascade


def test_each_answer_says_where_it_stopped(halting: Cascade) -> None:
    records = murky(20, seed=4)
    answers = list(halting.answers(records))
    assert [answer.id for answer in answers] == [record.id for record in records]
    assert {answer.exit_layer for answer in answers} == {1, 3, 4}
    sure = {stage.layer: stage.threshold for stage in halting.stages_}
    for answer in answers:
        assert answer.confidence == max(answer.probabilities.values())
        assert answer.confidence >= sure[answer.exit_layer]
        assert answer.latency_ms > 0
    assert (halting.depth_, halting.asks_base_) == (4, True)


def test_the_stage_is_told_where_two_are_at_one_layer(llava: VLM) -> None:
    cascade = Cascade(llava, layers=[1, 4], read_out_params={"max_neurons": 2}).fit(murky(48))
    records = murky(30, seed=4)
    cascade = letting_on(cascade, records)
    assert [stage.layer for stage in cascade.stages_] == [1, 4, 4]
    staged = list(cascade.staged_answers(records))
    assert {number for number, _ in staged} == {0, 1, 2}
    for (number, answer), plain in zip(staged, cascade.answers(records), strict=True):
        assert answer.exit_layer == cascade.stages_[number].layer
        assert answer.confidence >= cascade.stages_[number].threshold
        assert (answer.label, answer.probabilities) == (plain.label, plain.probabilities)


@pytest.mark.parametrize("size", [1, 3, 20])
def test_the_batch_size_plays_no_part(halting: Cascade, size: int) -> None:
    records = murky(20, seed=4)
    expected = [(a.label, a.exit_layer) for a in halting.answers(records)]
    kept, halting.batch_size = halting.batch_size, size
    found = [(a.label, a.exit_layer) for a in halting.answers(records)]
    halting.batch_size = kept
    assert found == expected


def test_a_family_that_cannot_be_stopped_starts_anew_with_the_same_answers(
    halting: Cascade,
) -> None:
    records = murky(20, seed=4)
    expected = list(halting.answers(records))
    lean = halting.vlm
    unknown = replace(lean.truncated(4), family=replace(lean.family, lean_tower=None))
    halting.model = unknown
    try:
        assert halting.path == "anew"
        assert "no lean pass" in halting.reason
        found = list(halting.answers(records))
    finally:
        halting.model = lean
    for one, two in zip(expected, found, strict=True):
        assert (one.label, one.exit_layer) == (two.label, two.exit_layer)
        assert one.confidence == pytest.approx(two.confidence, abs=2e-3)


def test_probabilities_agree_with_the_labels(halting: Cascade) -> None:
    records = murky(10, seed=4)
    shares = halting.predict_proba(records)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(halting.classes_[shares.argmax(axis=1)], halting.predict(records))


def test_nothing_asked_is_nothing_answered(halting: Cascade) -> None:
    assert list(halting.answers([])) == []
    assert halting.predict_proba([]).shape == (0, 2)


def test_an_activation_that_is_no_number_is_refused(halting: Cascade) -> None:
    weights = halting.vlm.model.get_input_embeddings().weight.detach()
    kept = weights.clone()
    weights.fill_(torch.nan)
    try:
        with pytest.raises(DataError, match="no finite numbers"):
            halting.predict(murky(2))
    finally:
        weights.copy_(kept)


def test_too_little_memory_says_what_helps(
    halting: Cascade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(VLM, "encode", full)
    with pytest.raises(ResourceError, match="batch of 2 records"):
        halting.predict(murky(2))


def test_words_are_those_of_the_labels(vlm: VLM) -> None:
    assert words_for(vlm, ["no", "yes"]) == label_words(vlm.processor, ["no", "yes"])
    with pytest.raises(ModelError, match="base_answer=False"):
        words_for(vlm, ["lit", "listless"])
