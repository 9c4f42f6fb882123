from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.amplify.readings import Readings, log_odds_of, probability_of, read_targets
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


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_neither_the_order_of_prompts_nor_of_tokens_counts(seed: int, data: st.DataObject) -> None:
    values, targets = logits(seed), np.random.default_rng(seed).integers(0, 9, size=5)
    rows = np.array(data.draw(st.permutations(range(5))))
    columns = np.array(data.draw(st.permutations(range(9))))
    found = read_targets(values, targets).rows(rows)
    mixed = read_targets(values[rows][:, columns], np.argsort(columns)[targets[rows]])
    np.testing.assert_allclose(mixed.log_odds, found.log_odds, atol=1e-4)
    np.testing.assert_array_equal(mixed.rank, found.rank)
    np.testing.assert_allclose(mixed.confidence, found.confidence, rtol=1e-5)


def test_readings_are_of_the_types_and_shapes_they_are_kept_in() -> None:
    found = read_targets(logits(3).half(), torch.tensor([0, 1, 2, 3, 4]))
    assert [v.dtype for v in (found.log_odds, found.rank, found.confidence)] == [
        np.float32, np.int32, np.float32,
    ]  # fmt: skip
    assert found.log_odds.shape == found.rank.shape == found.confidence.shape == (5,)
    assert found.probability.dtype == np.float64


def test_equal_tokens_share_the_best_rank() -> None:
    found = read_targets(torch.tensor([[1.0, 2.0, 2.0, 0.0]] * 4), [0, 1, 2, 3])
    assert found.rank.tolist() == [3, 1, 1, 4]


def test_one_setting_of_many_is_read_by_row() -> None:
    """Readings of a sweep have prompts last."""
    odds = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    some = Readings(odds, odds.astype(np.int32), odds + 1).rows(np.array([2, 0]))
    assert some.log_odds.tolist() == [[[2, 0], [5, 3]], [[8, 6], [11, 9]]]
    assert some.rank.tolist() == some.log_odds.tolist()
    assert some.confidence.tolist() == (some.log_odds + 1).tolist()


@pytest.mark.parametrize("wrong", [torch.tensor([[0.0, torch.inf]]), torch.zeros(1, 2, 3)])
def test_infinite_logits_and_those_of_every_position_are_refused(wrong: torch.Tensor) -> None:
    with pytest.raises(DataError, match="1 targets") as caught:
        read_targets(wrong, [0])
    assert caught.value.where == "logits"


def test_probabilities_of_lists_whole_numbers_and_extremes() -> None:
    assert probability_of([[0, 1000], [-1000, 0]]).tolist() == [[0.5, 1], [0, 0.5]]
    assert log_odds_of(np.float32(0.25)) == pytest.approx(-np.log(3))
    assert probability_of(np.float32(40)).dtype == np.float64
    assert log_odds_of([0.5]).dtype == np.float64
