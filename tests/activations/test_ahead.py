from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from superneurons.activations.ahead import ahead, helpers


def ours() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("superneurons-ahead")]


@pytest.mark.parametrize("depth", [1, 2, 5, 50])
@pytest.mark.parametrize("workers", [1, 3, None])
@pytest.mark.parametrize("n", [0, 1, 2, 20])
def test_all_come_in_order_whoever_is_slow(n: int, depth: int, workers: int | None) -> None:
    def prepare(item: int) -> int:
        time.sleep(0.002 * (item % 3 == 0))
        return item * item

    assert list(ahead(range(n), prepare, depth=depth, workers=workers)) == [i * i for i in range(n)]
    assert not ours()


def test_no_more_than_depth_results_wait() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            asked.append(item)
            yield item

    found = ahead(items(), lambda item: item, depth=3)
    assert asked == []  # nothing begins before the first result is asked for
    for given, _ in enumerate(found, start=1):
        assert max(asked) + 1 <= given + 3


def test_the_next_is_prepared_while_this_one_is_used() -> None:
    """Blocks for ever unless item 1 is prepared before item 0 is done with."""
    begun = [threading.Event() for _ in range(4)]

    def prepare(item: int) -> int:
        begun[item].set()
        return item

    for item in ahead(range(4), prepare, depth=1):
        if item + 1 < len(begun):
            assert begun[item + 1].wait(timeout=30)


def test_workers_prepare_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=30)
    assert list(ahead(range(6), lambda _: together.wait() < 3, depth=3, workers=3)) == [True] * 6


def test_an_error_comes_in_its_turn_and_ends_it() -> None:
    seen: list[int] = []

    def prepare(item: int) -> int:
        if item == 5:
            raise KeyError("item 5")
        return item

    with pytest.raises(KeyError, match="item 5"):
        seen.extend(ahead(range(50), prepare, depth=4, workers=2))
    assert seen == [0, 1, 2, 3, 4]
    assert not ours()


def test_an_error_of_the_items_is_raised() -> None:
    def items() -> Iterator[int]:
        yield from (0, 1, 2)
        raise OSError("no more of the file")

    with pytest.raises(OSError, match="no more of the file"):
        list(ahead(items(), lambda item: item))
    assert not ours()


def test_closing_leaves_the_rest_alone_and_no_thread() -> None:
    prepared: list[int] = []
    found = ahead(range(1000), lambda item: prepared.append(item) or item, depth=2)
    assert next(found) == 0
    found.close()
    assert len(prepared) <= 3
    assert not ours()


def test_a_single_item_needs_no_thread() -> None:
    here = threading.current_thread()
    assert list(ahead([7], lambda _: threading.current_thread())) == [here]
    assert here not in list(ahead([7, 8], lambda _: threading.current_thread()))


@pytest.mark.parametrize(("depth", "workers"), [(0, 1), (-1, 1), (1, 0)])
def test_a_depth_or_number_below_one_is_refused_at_once(depth: int, workers: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        ahead([1], lambda item: item, depth=depth, workers=workers)


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (2, 1), (8, 2), (16, 4), (128, 8)])
def test_small_machines_get_one_thread(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, threads: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert helpers() == threads
