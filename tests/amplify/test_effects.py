from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.amplify.amplification import amplified
from superneurons.amplify.effects import divergence, side_effects
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.outcome import choose, held_out
from superneurons.amplify.readings import read_targets
from superneurons.amplify.sweep import neurons_of, sweep
from superneurons.errors import DataError
from tiny_sweeps import GRID, tiny_task


def test_divergence_is_that_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 3, 7))
    found = divergence(torch.from_numpy(one), torch.from_numpy(other))
    for row in range(3):
        p, q = (np.exp(values[row]) / np.exp(values[row]).sum() for values in (one, other))
        assert found[row] == pytest.approx(sum(p * np.log(p / q)))
    assert (found > 0).all()
    shifted = divergence(torch.from_numpy(one), torch.from_numpy(one + 3))
    np.testing.assert_allclose(shifted, 0, atol=1e-12)


def test_other_shapes_have_no_divergence() -> None:
    with pytest.raises(DataError, match="can't be compared"):
        divergence(torch.zeros(2, 3), torch.zeros(2, 4))


def test_interference_is_what_each_amplification_does_to_each_task(model: LanguageModel) -> None:
    swept = sweep(model, [tiny_task("one"), tiny_task("three")], GRID)
    told: list[tuple[int, int]] = []
    found = side_effects(model, swept, progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
    for row, one in enumerate(swept):
        # A task's own is what was held out.
        assert found.interference[row, row] == pytest.approx(
            held_out(one).log_odds_gain[0], abs=1e-3
        )
    one, other = swept
    choice = choose(one)
    how = neurons_of(model, one.task, GRID)["found"][choice.layer]
    task = other.task.some(other.reporting)
    tokens = task.tokens(model)
    with amplified(model, how.amplification(choice.multiplier, choice.count)):
        after = read_targets(model.last_logits(task.prompts), tokens).log_odds
    before = read_targets(model.last_logits(task.prompts), tokens).log_odds
    assert found.interference[0, 1] == pytest.approx((after - before).mean(), abs=1e-3)


def test_unrelated_text_is_left_alone_by_a_multiplier_of_one(llama: LanguageModel) -> None:
    quiet, strong = (
        side_effects(llama, sweep(llama, [tiny_task()], replace(GRID, multipliers=(times,))))
        for times in (1.0, 30.0)
    )
    np.testing.assert_allclose(quiet.divergence, 0, atol=1e-6)
    assert (quiet.changed == 0).all()
    assert (strong.divergence > 1e-4).all()


def test_texts_may_be_ones_own(llama: LanguageModel) -> None:
    swept = sweep(llama, [tiny_task()], GRID)
    own, others = (side_effects(llama, swept, texts=texts) for texts in (["qq", "rr"], None))
    assert own.divergence.shape == (1, 2)
    assert not np.allclose(own.divergence, others.divergence)
    np.testing.assert_array_equal(own.interference, others.interference)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 20))
def test_divergence_is_never_negative_and_none_from_itself(seed: int, scale: float) -> None:
    one, other = torch.from_numpy(np.random.default_rng(seed).normal(scale=scale, size=(2, 3, 5)))
    found = divergence(one, other)
    assert found.shape == (3,)
    assert (found >= 0).all()
    assert divergence(one, one).tolist() == [0.0] * 3
    columns = torch.tensor([4, 2, 0, 1, 3])
    np.testing.assert_allclose(divergence(one[:, columns], other[:, columns]), found, atol=1e-9)


def test_divergence_goes_from_the_base_to_the_amplified() -> None:
    """What the base model says for sure counts, not what the amplified one does."""
    p, q = np.array([0.5, 0.5]), np.array([0.99, 0.01])
    logits = [torch.log(torch.from_numpy(v))[None].float() for v in (p, q)]
    assert divergence(*logits)[0] == pytest.approx((p * np.log(p / q)).sum(), rel=1e-5)
    assert divergence(*logits[::-1])[0] == pytest.approx((q * np.log(q / p)).sum(), rel=1e-5)


def test_logits_of_no_rows_and_columns_are_refused() -> None:
    for shape in ((3,), (2, 3, 4)):
        with pytest.raises(DataError, match="can't be compared") as caught:
            divergence(torch.zeros(shape), torch.zeros(shape))
        assert caught.value.where == "logits"


def test_side_effects_are_those_of_plain_passes_one_text_at_a_time(llama: LanguageModel) -> None:
    """Of the neurons found and, at the same setting, of the first ones drawn."""
    texts = ["the cat", "a much longer beginning of", "so it", "why not"]
    grid = replace(GRID, multipliers=(25.0,), draws=2)
    swept = sweep(llama, [tiny_task("one"), tiny_task("three")], grid)
    found = side_effects(llama, swept, texts=texts)
    assert found.divergence.shape == found.changed.shape == (2, 2)
    for row, one in enumerate(swept):
        choice, neurons = choose(one), neurons_of(llama, one.task, grid)
        for column, kind in enumerate(("found", "random 1")):
            how = neurons[kind][choice.layer].amplification(choice.multiplier, choice.count)
            apart, moved = [], []
            for text in texts:
                before = llama.last_logits([text])[0].double().numpy()
                with amplified(llama, how):
                    after = llama.last_logits([text])[0].double().numpy()
                p, q = (np.exp(v) / np.exp(v).sum() for v in (before, after))
                apart.append((p * np.log(p / q)).sum())
                moved.append(before.argmax() != after.argmax())
            assert found.divergence[row, column] == pytest.approx(np.mean(apart), abs=1e-4)
            assert found.changed[row, column] == np.mean(moved)
    assert 0 < found.changed.max() <= 1


def test_without_texts_there_is_nothing_to_look_at(llama: LanguageModel) -> None:
    with pytest.raises(DataError, match="no prompts"):
        side_effects(llama, sweep(llama, [tiny_task()], GRID), texts=[])
