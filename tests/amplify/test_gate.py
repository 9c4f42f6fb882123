from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.gate import Gate, choose_gate, confidence, gated_logits
from superneurons.amplify.language import LanguageModel
from superneurons.errors import DataError, MismatchError

PROMPTS = ["two and two is", "hi", "once upon a time there", "so", "one more"]


def test_confidence_is_the_largest_probability() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]))
    assert confidence(logits) == pytest.approx([0.5, 0.8])
    assert confidence(logits, [0, 2]) == pytest.approx([0.6, 8 / 9])


def test_it_is_open_below_its_threshold() -> None:
    assert not Gate(0.0).open(np.array([0.0, 1.0])).any()
    assert Gate(math.inf).open(np.array([0.0, 1.0])).all()
    for threshold in (-0.1, math.nan):
        with pytest.raises(DataError, match="threshold"):
            Gate(threshold)


def test_the_threshold_is_where_the_gain_is_largest() -> None:
    sure = np.array([0.9, 0.1, 0.5, 0.3])
    assert choose_gate(sure, [1, 0, 1, 0], [0, 1, 0, 1]).threshold == pytest.approx(0.4)
    assert choose_gate(sure, [1, 1, 1, 1], [0, 1, 1, 0]).threshold == 0.0
    always = choose_gate(sure, [0, 0, 0, 0], [1, 1, 1, 1])
    assert always.open([1.0]).all()
    # A gain that is there only above a loss is taken if it outweighs it.
    assert choose_gate([0.1, 0.5], [1, 0], [0, 2.5]).open([0.1, 0.5]).all()


def test_equal_confidences_are_never_parted() -> None:
    gate = choose_gate([0.3, 0.3, 0.6], [0, 1, 1], [1, 0, 0])
    assert gate.threshold == 0.0
    assert choose_gate([0.3, 0.3, 0.6], [0, 0, 1], [1, 1, 0]).open([0.3, 0.6]).tolist() == [
        True, False,
    ]  # fmt: skip


def test_the_order_of_samples_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    sure, gain = rng.random(50).round(1), rng.normal(size=50)
    order = rng.permutation(50)
    found = choose_gate(sure, np.zeros(50), gain)
    assert choose_gate(sure[order], np.zeros(50), gain[order]) == found
    best = max(gain[sure < t].sum() for t in np.arange(0, 1.2, 0.05))
    assert gain[found.open(sure)].sum() == pytest.approx(best)


def test_nothing_to_choose_on_is_refused() -> None:
    for given in (
        ([], [], []),
        ([0.5], [1, 0], [1]),
        ([math.nan], [1], [0]),
        ([0.5], [1], [math.nan]),
    ):
        with pytest.raises(DataError, match="cannot be chosen"):
            choose_gate(*given)


def test_confident_rows_come_out_bit_for_bit(model: LanguageModel) -> None:
    plain = torch.cat([model.last_logits(PROMPTS[i : i + 2]) for i in (0, 2, 4)])
    sure = confidence(plain)
    gate, how = Gate(float(np.sort(sure)[2])), Amplification(3, [1, 2], 4.0)
    found = gated_logits(model, PROMPTS, how, gate, batch_size=2)
    assert found.confidence == pytest.approx(sure, abs=0)
    assert found.amplified.tolist() == (sure < gate.threshold).tolist()
    assert found.amplified.sum() == 2
    with amplified(model, how):
        every = torch.cat([model.last_logits(PROMPTS[i : i + 2]) for i in (0, 2, 4)])
    closed = ~found.amplified
    assert torch.equal(found.logits[closed], plain[closed])
    assert torch.equal(found.logits[found.amplified], every[found.amplified])


def test_a_closed_gate_runs_each_layer_once(llama: LanguageModel) -> None:
    ran = []
    handle = llama.layers[-1].register_forward_hook(lambda *_: ran.append(1))
    gated_logits(llama, PROMPTS, Amplification(2, [1], 4.0), Gate(0.0))
    assert len(ran) == 1
    gated_logits(llama, PROMPTS, Amplification(2, [1], 4.0), Gate(2.0))
    assert len(ran) == 3
    handle.remove()


def test_the_gate_can_go_by_the_allowed_answers(llama: LanguageModel) -> None:
    how, tokens = Amplification(2, [1], 4.0), [20, 30]
    found = gated_logits(llama, PROMPTS, how, Gate(0.0), tokens=tokens)
    assert found.confidence == pytest.approx(confidence(llama.last_logits(PROMPTS), tokens))


def test_bad_input_is_refused_also_where_no_gate_opens(llama: LanguageModel) -> None:
    with pytest.raises(MismatchError):
        gated_logits(llama, PROMPTS, Amplification(2, [1], 4.0, model="other"), Gate(0.0))
    with pytest.raises(DataError, match="no prompts"):
        gated_logits(llama, [], Amplification(2, [1], 4.0), Gate(0.0))
