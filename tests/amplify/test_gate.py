from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
    for sure, plain, more in (
        ([], [], []),
        ([0.5], [1, 0], [1]),
        ([math.nan], [1], [0]),
        ([0.5], [1], [math.nan]),
    ):
        with pytest.raises(DataError, match="cannot be chosen"):
            choose_gate(sure, plain, more)


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


def best_by_trying(sure: list[float], gain: list[float]) -> float:
    """The largest sum of gains below any threshold, and none at all."""
    return max([0.0, *(sum(g for c, g in zip(sure, gain, strict=True) if c <= t) for t in sure)])


tenths = st.integers(0, 10).map(lambda n: n / 10)


@settings(max_examples=60, deadline=None)
@given(samples=st.lists(st.tuples(tenths, st.integers(-2, 2), st.integers(-2, 2)), min_size=1))
def test_no_threshold_brings_more_and_no_lower_one_as_much(
    samples: list[tuple[float, int, int]],
) -> None:
    sure, plain, more = (list(part) for part in zip(*samples, strict=True))
    gate, gain = choose_gate(sure, plain, more), [m - p for p, m in zip(plain, more, strict=True)]
    opened = gate.open(sure)
    best = best_by_trying(sure, gain)
    assert sum(g for g, there in zip(gain, opened, strict=True) if there) == best
    lower = [c for c, there in zip(sure, opened, strict=True) if there and c < max(
        c for c, there in zip(sure, opened, strict=True) if there)]  # fmt: skip
    for t in lower:
        assert sum(g for c, g in zip(sure, gain, strict=True) if c <= t) < best
    if best == 0:
        assert gate == Gate(0.0)


def test_a_threshold_lies_midway_between_two_confidences() -> None:
    assert choose_gate([0.2, 0.6, 0.9], [0, 0, 0], [1, 1, -1]).threshold == pytest.approx(0.75)
    assert choose_gate([0.9, 0.2, 0.6], [0, 0, 0], [-1, 1, 0]).threshold == pytest.approx(0.4)
    # The lowest of those that bring as much.
    assert choose_gate([0.2, 0.6, 0.9], [5, 5, 5], [6, 4, 6]).threshold == pytest.approx(0.4)


def test_a_gate_that_is_always_open_is_so_for_any_confidence() -> None:
    just_above = float(np.nextafter(1.0, 2.0))
    assert choose_gate([0.2, 0.6], [0, 0], [1, 1]).threshold == just_above
    # Shares that rounding has made a little more than 1, too.
    above = choose_gate([0.2, just_above], [0, 0], [1, 1])
    assert above.open([just_above, 1.0, 0.0]).all()
    assert choose_gate([0.5], [0], [1]).threshold == just_above


def test_gains_that_only_rounding_parts_are_equal() -> None:
    """0.1 + 0.2 - 0.3 is no gain."""
    assert choose_gate([0.1, 0.2, 0.3], [0, 0, 0.3], [0.1, 0.2, 0]).threshold == pytest.approx(0.25)
    sure, gain = [0.1, 0.2, 0.3, 0.4], [0.3, -0.1, -0.2, 1e-14]
    assert choose_gate(sure, [0] * 4, gain).threshold == pytest.approx(0.15)
    assert choose_gate([0.3, 0.6], [0, 0.3], [0.1 + 0.2, 0]).open([0.3, 0.6]).tolist() == [
        True, False,
    ]  # fmt: skip


def test_right_and_wrong_answers_can_be_given_as_truth_values() -> None:
    plain, more = np.array([False, True, True]), np.array([True, True, False])
    gate = choose_gate([0.3, 0.5, 0.9], plain, more)
    assert gate.open([0.3, 0.9]).tolist() == [True, False]


def test_samples_in_a_table_are_refused() -> None:
    table = np.full((2, 2), 0.5)
    with pytest.raises(DataError, match=r"shapes \(2, 2\)") as caught:
        choose_gate(table, table, table)
    assert caught.value.where == "calibration split"
    with pytest.raises(DataError) as threshold:
        Gate(-1.0)
    assert threshold.value.where == "threshold"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-50, 50))
def test_confidence_is_that_of_a_softmax_by_hand(seed: int, shift: float) -> None:
    values = np.random.default_rng(seed).normal(scale=3, size=(4, 6))
    shares = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    found = confidence(torch.from_numpy(values + shift))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, shares.max(axis=1), rtol=1e-9)
    some = shares[:, [4, 1]]
    np.testing.assert_allclose(
        confidence(torch.from_numpy(values + shift), [4, 1]),
        some.max(axis=1) / some.sum(axis=1),
        rtol=1e-9,
    )


def test_neither_the_batch_nor_the_order_of_prompts_counts(llama: LanguageModel) -> None:
    sure = confidence(llama.last_logits(PROMPTS))
    gate, how = Gate(float(np.sort(sure)[1:3].mean())), Amplification(2, [1, 5], 4.0)
    whole = gated_logits(llama, PROMPTS, how, gate)
    assert whole.amplified.sum() == 2
    order = [3, 1, 4, 0, 2]
    for size in (1, 2, 5):
        found = gated_logits(llama, [PROMPTS[i] for i in order], how, gate, batch_size=size)
        np.testing.assert_array_equal(found.amplified, whole.amplified[order])
        np.testing.assert_allclose(found.confidence, whole.confidence[order], rtol=1e-4)
        torch.testing.assert_close(found.logits, whole.logits[order], atol=1e-4, rtol=1e-4)
    assert found.logits.shape == (5, llama.last_logits(["a"]).shape[1])
    assert (found.logits.dtype, found.logits.device.type) == (torch.float32, "cpu")
