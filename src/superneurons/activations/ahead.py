"""Prepare the next batches while the model runs on this one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

__all__ = ["ahead", "helpers"]

T = TypeVar("T")
U = TypeVar("U")

_MOST_HELPERS = 8


def helpers() -> int:
    """Return how many threads prepare pictures: one on a small machine, eight at most.

    Examples
    --------
    >>> 1 <= helpers() <= 8
    True
    """
    return max(1, min(_MOST_HELPERS, (os.cpu_count() or 1) // 4))


def ahead(
    items: Iterable[T],
    prepare: Callable[[T], U],
    *,
    depth: int = 2,
    workers: int | None = None,
) -> Generator[U, None, None]:
    """Prepare items in other threads, and give the results in order.

    Parameters
    ----------
    items
        What is to be prepared; asked for one at a time, ``depth`` ahead of what was given.
    prepare
        Called once per item. What it raises is raised here, after all results before it.
    depth
        Most results that wait for their turn; bounds the memory.
    workers
        Threads; :func:`helpers` by default. More than ``depth`` are never busy.

    Returns
    -------
    generator
        The results. When it is closed, what has not begun is never prepared; what has begun is
        waited for, so that no thread outlives it.

    Raises
    ------
    ValueError
        When ``depth`` or ``workers`` is less than 1.

    Examples
    --------
    >>> list(ahead([3, 1, 2], lambda n: n * n))
    [9, 1, 4]
    """
    workers = min(depth, helpers()) if workers is None else workers
    if min(depth, workers) < 1:
        raise ValueError(f"depth and workers must be 1 or more, not {depth} and {workers}.")
    return _ahead(iter(items), prepare, depth, workers)


def _ahead(
    items: Iterable[T], prepare: Callable[[T], U], depth: int, workers: int
) -> Generator[U, None, None]:
    items = iter(items)
    first = list(islice(items, 2))
    if len(first) < 2:  # nothing to overlap with, so a thread would only cost
        yield from map(prepare, first)
        return
    items = chain(first, items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="superneurons-ahead")
    waiting: deque[Future[U]] = deque()
    try:
        waiting.extend(pool.submit(prepare, item) for item in islice(items, depth))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(prepare, item) for item in islice(items, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
