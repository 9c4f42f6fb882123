from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.scale.ranks import Rank, device_of, joined_ranks, rank_of_environment


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(), max_size=40), st.integers(min_value=1, max_value=12))
def test_items_keep_their_order_in_a_share_and_go_round_the_ranks(
    items: list[int], world: int
) -> None:
    shares = [Rank(rank, world).share(items) for rank in range(world)]
    dealt = [share.pop(0) for n in range(len(items)) for share in [shares[n % world]]]
    assert dealt == items
    assert not any(shares)


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_shares_are_all_of_the_work_once(world: int) -> None:
    shares = [Rank(rank, world).share(range(7)) for rank in range(world)]
    assert sorted(n for share in shares for n in share) == list(range(7))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_needs_nobody() -> None:
    with joined_ranks(Rank()) as rank:
        counts = np.array([1, 2])
        assert rank.summed(counts) is counts
        assert rank.gathered(np.array([0.5]))[0].tolist() == [0.5]
        rank.wait()
    assert not torch.distributed.is_initialized()


def test_torchrun_says_which_rank_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert rank_of_environment() is None
    monkeypatch.setenv("RANK", "5")
    assert rank_of_environment() is None
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert rank_of_environment() == Rank(5, 8, 1)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("LOCAL_RANK")
    assert rank_of_environment() == Rank(0, 8, 0)
    monkeypatch.delenv("RANK")
    assert rank_of_environment() is None


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "LOCAL_RANK"])
def test_a_number_that_is_none_is_refused_with_what_was_given(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"} | {name: "first"}
    for each, value in given.items():
        monkeypatch.setenv(each, value)
    with pytest.raises(DataError) as caught:
        rank_of_environment()
    assert f"RANK={given['RANK']} of WORLD_SIZE={given['WORLD_SIZE']}" in str(caught.value)
    assert caught.value.where == "environment"


@pytest.mark.parametrize(("rank", "world"), [("8", "8"), ("-1", "2"), ("x", "2"), ("0", "")])
def test_ranks_that_cannot_be_are_refused(
    monkeypatch: pytest.MonkeyPatch, rank: str, world: str
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(DataError, match="torchrun"):
        rank_of_environment()


def test_each_rank_of_a_machine_has_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [device_of(Rank(n, 8, n % 4), "auto") for n in (0, 3, 6)] == [
        "cuda:0",
        "cuda:3",
        "cuda:2",
    ]
    assert device_of(Rank(1, 2, 1), "cpu") == "cpu"
    assert device_of(Rank(1, 2, 1), "cuda:3") == "cuda:3"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(Rank(1, 2, 1), "auto") == "auto"


def test_several_ranks_that_have_not_met_cannot_sum() -> None:
    lost = Rank(0, 2)
    for ask in (
        lambda: lost.summed(np.array([1, 2])),
        lambda: lost.gathered(np.array([0.5])),
        lost.wait,
    ):
        with pytest.raises(ValueError, match="process group"):
            ask()


def test_one_alone_meets_nobody_and_passes_errors_on(tmp_path: Path) -> None:
    with pytest.raises(KeyError), joined_ranks(Rank(0, 1), (tmp_path / "m").as_uri()):
        raise KeyError("what was done meanwhile")
    assert not torch.distributed.is_initialized()
    assert not (tmp_path / "m").exists()


def test_what_is_summed_is_left_as_it_was() -> None:
    counts = np.array([[1, 2**40]])
    assert Rank().summed(counts).tolist() == [[1, 2**40]]
    assert [part.tolist() for part in Rank().gathered(np.array([1.5, 2]))] == [[1.5, 2.0]]
    assert Rank() == Rank(0, 1, 0)
