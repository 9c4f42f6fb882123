from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.amplify.readings import log_odds_of, probability_of, read_targets
from superneurons.errors import DataError


def logits(seed: int, n: int = 5, v: int = 9, scale: float = 2.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(scale=scale, size=(n, v)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_it_reads_what_softmax_and_sorting_say(seed: int) -> None:
    given_logits, targets = logits(seed), np.arange(5) % 3
    found = read_targets(given_logits, targets)
    for row, target in enumerate(targets):
        values = given_logits[row].numpy()
        p = np.exp(values) / np.exp(values).sum()
        assert found.probability[row] == pytest.approx(p[target], rel=1e-5)
        assert found.log_odds[row] == pytest.approx(np.log(p[target] / (1 - p[target])), abs=1e-4)
        assert found.rank[row] == 1 + sum(p > p[target])
        assert found.confidence[row] == pytest.approx(p.max(), rel=1e-5)


def test_a_shift_of_all_logits_changes_nothing() -> None:
    one, other = read_targets(logits(1), [0] * 5), read_targets(logits(1) + 7, [0] * 5)
    np.testing.assert_allclose(one.log_odds, other.log_odds, atol=1e-5)
    np.testing.assert_array_equal(one.rank, other.rank)


def test_log_odds_keep_their_digits_where_the_model_is_sure() -> None:
    sure = torch.tensor([[60.0, 0.0, 0.0]])
    assert read_targets(sure, [0]).log_odds[0] == pytest.approx(60 - np.log(2), abs=1e-4)
    assert read_targets(sure, [1]).log_odds[0] == pytest.approx(-60, abs=1e-4)


def test_rows_keep_their_prompts_together() -> None:
    found = read_targets(logits(2), [0, 1, 2, 3, 4])
    some = found.rows(np.array([4, 0]))
    assert some.log_odds.tolist() == [found.log_odds[4], found.log_odds[0]]
    assert some.rank.tolist() == [found.rank[4], found.rank[0]]
    assert some.confidence.tolist() == [found.confidence[4], found.confidence[0]]


@pytest.mark.parametrize("wrong", [torch.zeros(3), torch.full((2, 3), torch.nan)])
def test_what_cannot_be_read_is_refused(wrong: torch.Tensor) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_targets(wrong, [0, 1])
    with pytest.raises(DataError, match="3 targets"):
        read_targets(torch.zeros(2, 3), [0, 1, 2])


@settings(max_examples=25, deadline=None)
@given(p=st.floats(1e-6, 1 - 1e-6))
def test_probabilities_and_log_odds_are_each_others_inverse(p: float) -> None:
    assert probability_of(log_odds_of([p]))[0] == pytest.approx(p, rel=1e-9)
