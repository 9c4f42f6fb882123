from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest
import torch

from scale.ranked import fail, meet
from superneurons.errors import DataError, SuperNeuronsError
from superneurons.scale.local_ranks import _results, _run, on_local_ranks
from superneurons.scale.ranks import Rank


def test_ranks_sum_and_gather() -> None:
    told: list[tuple[int, int]] = []
    found = on_local_ranks(2, meet, (3,), progress=lambda done, total: told.append((done, total)))
    assert found["mine"] == [3, 0, 3 * 2**40]
    assert found["total"] == [6, 30, 6 * 2**40]
    assert found["parts"] == [[0.0], [0.5, 0.5]]
    assert found["pid"] != os.getpid()
    assert told[-1] == (4, 4)


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [("refused", DataError, "No such thing"), ("killed", SuperNeuronsError, "without a word")],
)
def test_one_that_fails_ends_the_others(how: str, kind: type[SuperNeuronsError], said: str) -> None:
    with pytest.raises(kind, match=said):
        on_local_ranks(2, fail, (how,))


def speaking(n: int) -> tuple[list[Connection], list[Connection]]:
    pairs = [Pipe(duplex=False) for _ in range(n)]
    return [hears for hears, _ in pairs], [speaks for _, speaks in pairs]


def test_what_each_rank_has_done_is_added_up() -> None:
    hears, speaks = speaking(3)
    told: list[tuple[int, int]] = []
    for number, done in ((0, (1, 4)), (0, (2, 4)), (0, (3, 4))):
        speaks[number].send(("progress", done))
    speaks[0].send(("result", "first"))
    speaks[1].send(("progress", (1, 2)))
    speaks[1].send(("result", None))
    speaks[2].send(("result", None))
    found = _results(hears, lambda done, total: told.append((done, total)))
    assert found == {0: "first", 1: None, 2: None}
    assert len(told) == 4
    assert told[-1] == (4, 6)  # the last word of each, not the sum of all words
    assert [total for _, total in told] == sorted(total for _, total in told)


def test_nobody_has_to_listen_to_the_progress() -> None:
    hears, speaks = speaking(1)
    speaks[0].send(("progress", (1, 2)))
    speaks[0].send(("result", 7))
    assert _results(hears, None) == {0: 7}


def test_a_rank_that_is_done_may_end_before_the_others() -> None:
    hears, speaks = speaking(2)
    speaks[0].send(("result", 1))
    speaks[0].close()
    speaks[1].send(("progress", (1, 1)))
    speaks[1].send(("result", 2))
    assert _results(hears, None) == {0: 1, 1: 2}


def test_what_a_rank_refuses_is_raised_here_as_it_was() -> None:
    hears, speaks = speaking(2)
    speaks[1].send(("refusal", DataError("No.", where="x.jsonl:3", mend="Another.")))
    with pytest.raises(DataError, match="No") as caught:
        _results(hears, None)
    assert (caught.value.where, caught.value.mend) == ("x.jsonl:3", "Another.")


def test_a_rank_that_falls_silent_is_named() -> None:
    hears, speaks = speaking(3)
    speaks[0].send(("result", 1))
    speaks[2].send(("progress", (1, 9)))
    speaks[2].close()
    with pytest.raises(SuperNeuronsError, match="Rank 2 ended without a word") as caught:
        _results(hears, None)
    assert "kept" in str(caught.value)


def said_by(function: Callable[..., Any], rank: Rank, *given: Any) -> list[tuple[str, Any]]:
    """What a rank tells; one that is alone needs no other process."""
    hears, speaks = Pipe(duplex=False)
    _run(function, given, rank, "file:///nowhere", speaks)
    speaks.close()
    said = []
    while hears.poll():
        try:
            said.append(hears.recv())
        except EOFError:
            break
    return said


def adds(rank: Rank, one: int, other: int, told: Callable[[int, int], None]) -> int:
    told(0, 2)
    told(2, 2)
    return one + other + rank.rank


def refuses(rank: Rank, what: str, told: Callable[[int, int], None]) -> None:
    told(1, 2)
    raise DataError(what)


def breaks(rank: Rank, told: Callable[[int, int], None]) -> None:
    raise ZeroDivisionError


def test_a_rank_tells_how_far_it_is_and_what_it_found() -> None:
    progress = [("progress", (0, 2)), ("progress", (2, 2))]
    assert said_by(adds, Rank(), 3, 4) == [*progress, ("result", 7)]
    # Only the first one's result is wanted: others may be large.
    assert said_by(adds, Rank(1, 1), 3, 4) == [*progress, ("result", None)]


def test_a_refusal_is_told_and_a_defect_is_left_to_show() -> None:
    first, (kind, error) = said_by(refuses, Rank(), "Not this.")
    assert first == ("progress", (1, 2))
    assert kind == "refusal"
    assert isinstance(error, DataError)
    assert "Not this." in str(error)
    with pytest.raises(ZeroDivisionError):
        said_by(breaks, Rank())


@pytest.mark.parametrize(("cores", "told", "threads"), [(6, None, 6), (None, None, 1), (6, "2", 3)])
def test_ranks_share_the_cores_where_nobody_said_otherwise(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, told: str | None, threads: int
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    try:
        torch.set_num_threads(3)
        said_by(adds, Rank(), 1, 1)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
