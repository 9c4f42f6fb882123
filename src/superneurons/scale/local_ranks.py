"""Several ranks on this machine, started and looked after by one process."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superneurons.errors import SuperNeuronsError
from superneurons.scale.ranks import Rank, joined_ranks

if TYPE_CHECKING:
    from superneurons.activations.capture import Progress

__all__ = ["on_local_ranks"]

_GOODBYE = 30.0


def on_local_ranks(
    n: int,
    function: Callable[..., Any],
    given: tuple[Any, ...],
    *,
    progress: Progress | None = None,
) -> Any:
    """Call a function in ``n`` processes that are ranks to each other.

    When one fails, the others are ended.

    Parameters
    ----------
    n
        How many.
    function
        Of a module: called with the :class:`~superneurons.scale.ranks.Rank`, ``given``, and what to
        tell (done, in all) of its share.
    given
        What it is called with; can be sent.
    progress
        Told (done, in all) of all ranks.

    Returns
    -------
    Any
        What rank 0 returned.

    Raises
    ------
    SuperNeuronsError
        What a rank raised; or that one ended without a word.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meet_at = (Path(folder) / "meeting").as_uri()
        pipes, processes = [], []
        for number in range(n):
            mine, theirs = context.Pipe(duplex=False)
            rank = Rank(number, n, number)
            # A rank whose parent has died ends with it.
            process = context.Process(
                target=_run, args=(function, given, rank, meet_at, theirs), daemon=True
            )
            process.start()
            theirs.close()
            pipes.append(mine)
            processes.append(process)
        try:
            result = _results(pipes, progress)[0]
            for process in processes:
                process.join(_GOODBYE)
            return result
        finally:
            for process in processes:
                process.terminate()
                process.join()


def _run(
    function: Callable[..., Any],
    given: tuple[Any, ...],
    rank: Rank,
    meet_at: str,
    pipe: Connection,
) -> None:
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // rank.world))
    try:
        with joined_ranks(rank, meet_at):
            found = function(rank, *given, lambda *done: pipe.send(("progress", done)))
            pipe.send(("result", found if rank.rank == 0 else None))
    except SuperNeuronsError as error:
        pipe.send(("refusal", error))


def _results(pipes: list[Connection], progress: Progress | None) -> dict[int, Any]:
    """Listen to all ranks until each has returned something."""
    results: dict[int, Any] = {}
    done = dict.fromkeys(range(len(pipes)), (0, 0))
    while len(results) < len(pipes):
        waiting = {pipe: n for n, pipe in enumerate(pipes) if n not in results}
        for pipe in wait(list(waiting)):
            number = waiting[pipe]  # type: ignore[index]
            kind, told = _told(pipe, number)  # type: ignore[arg-type]
            if kind == "refusal":
                raise told
            if kind == "result":
                results[number] = told
                continue
            done[number] = told
            if progress is not None:
                progress(sum(d for d, _ in done.values()), sum(all_ for _, all_ in done.values()))
    return results


def _told(pipe: Connection, number: int) -> tuple[str, Any]:
    try:
        kind, value = pipe.recv()
    except EOFError:
        raise SuperNeuronsError(
            f"Rank {number} ended without a word.",
            mend="What it printed says why, if anything: memory may have run out. Start it again: "
            "what was captured is kept.",
        ) from None
    return kind, value
