from __future__ import annotations

import numpy as np
import pytest
import torch

from superneurons.errors import DataError
from superneurons.scale.ranks import Rank, device_of, joined_ranks, rank_of_environment


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
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(Rank(1, 2, 1), "auto") == "auto"
