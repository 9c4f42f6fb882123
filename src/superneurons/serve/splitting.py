"""Of a batch that fails, only what fails alone is failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from superneurons.errors import ModelError, SuperNeuronsError
from superneurons.serve.batch_limit import BatchLimit
from superneurons.serve.batching import Ticket
from superneurons.serve.counters import Counters

__all__ = ["one_by_one"]


_LOG = logging.getLogger("superneurons.serve")


class _Held(Protocol):
    @property
    def ticket(self) -> Ticket: ...


H = TypeVar("H", bound="_Held | Ticket")


def one_by_one(
    items: Sequence[H],
    work: Callable[[Sequence[H]], None],
    *,
    limit: BatchLimit | None = None,
    counters: Counters | None = None,
) -> None:
    """Do something for all of a batch, or, where that fails, for its halves, and so on.

    Parameters
    ----------
    items
        Jobs, or what holds one, at least one.
    work
        What is done; it must be all right to do it again.
    limit
        Told when a batch didn't fit into memory.
    counters
        Told of each batch that was split.
    """
    try:
        work(items)
    except Exception as error:
        if _no_room(error):
            _freed(len(items), limit, counters)
        if len(items) == 1:
            _ticket(items[0]).fail(_told(error))
            return
        if counters is not None:
            counters.add("split_batches")
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            one_by_one(half, work, limit=limit, counters=counters)


def _ticket(item: _Held | Ticket) -> Ticket:
    return item if isinstance(item, Ticket) else item.ticket


def _no_room(error: BaseException) -> bool:
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError)


def _freed(size: int, limit: BatchLimit | None, counters: Counters | None) -> None:
    """Make what room there is, and smaller batches."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if limit is not None:
        limit.too_many(size)
    if counters is not None:
        counters.add("out_of_memory")


def _told(error: Exception) -> Exception:
    if isinstance(error, SuperNeuronsError):
        return error
    # Callers are told what is said here; what a defect says may name places on this machine.
    _LOG.error("the model failed on a job", exc_info=error)
    told = ModelError("The model failed on this job.", mend="Look into the log of the service.")
    told.__cause__ = error
    return told
