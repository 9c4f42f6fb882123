from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

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
