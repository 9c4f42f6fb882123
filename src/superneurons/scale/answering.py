"""Answer data of any size block by block; what is done stays done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superneurons.activations.capture import Progress
from superneurons.errors import DataError, Problem
from superneurons.scale.blocks import Block, rows_of
from superneurons.scale.outputs import Outputs, digest_of, write_answers
from superneurons.scale.predictor import Predictor
from superneurons.scale.ray_data import Actors, on_ray
from superneurons.scale.sources import blocks_of
from superneurons.shortcut.artefact import read_any
from superneurons.shortcut.hub import artefact_directory
from superneurons.task.rows import Row, RowOrProblem

__all__ = ["Answered", "BlockWork", "answer_data"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a run did.

    Parameters
    ----------
    blocks
        Blocks of the data.
    kept
        Of these, answered before.
    rows
        Rows of the others.
    errors
        Of these, rows that could not be answered.
    """

    blocks: int
    kept: int
    rows: int
    errors: int


class BlockWork:
    """Answers one block after the other and writes each one's file.

    Parameters
    ----------
    outputs
        Directory of the answers.
    directory, model, question, opening
        As :class:`~superneurons.scale.predictor.Predictor` takes them.
    """

    def __init__(
        self,
        outputs: Path,
        directory: Path,
        model: str | None = None,
        question: str | None = None,
        opening: Mapping[str, Any] | None = None,
    ) -> None:
        self._outputs = Outputs(outputs, ())
        self._predictor = Predictor(directory, model, question=question, **(opening or {}))
        self._predictor.open()

    def __call__(self, task: tuple[int, Block]) -> dict[str, int]:
        """Answer a block; returns its number, rows and errors.

        Parameters
        ----------
        task
            Its number, and the block.
        """
        number, block = task
        found: list[Any] = list(_rows(block))
        rows = [row for row in found if isinstance(row, Row)]
        answers = iter(self._predictor.answers(rows, base=block.base))
        ids = [_id(row) for row in found]
        found = [next(answers) if isinstance(row, Row) else _unread(row) for row in found]
        write_answers(self._outputs.path(number), ids, found)
        errors = sum(isinstance(answer, DataError) for answer in found)
        return {"number": number, "rows": len(found), "errors": errors}


def _rows(block: Block) -> Iterator[RowOrProblem]:
    """The rows of a block, up to where it cannot be read on."""
    try:
        yield from rows_of(block)
    except DataError as error:
        yield Problem(error.where or str(block.path), error.what)


def _id(row: Row | Problem) -> str:
    own = row.values.get("id") if isinstance(row, Row) else None
    return row.where if own is None else str(own)


def _unread(problem: Problem) -> DataError:
    return DataError(
        "This row cannot be read.", problems=[problem], mend="Mend it, or leave it out."
    )


def answer_data(
    directory: Path,
    data: str,
    out: Path,
    *,
    model: str | None = None,
    question: str | None = None,
    rows_per_block: int = 256,
    actors: Actors | None = None,
    opening: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Answered:
    """Answer data into a directory of Parquet files; a run that was stopped goes on.

    Each block is a file, which appears when it is whole; by name they are in the data's order.

    Parameters
    ----------
    directory
        A saved classifier or cascade.
    data
        What :func:`~superneurons.scale.sources.blocks_of` reads.
    out
        Directory for the answers; every worker has to see it under this path.
    model, question
        As in :class:`~superneurons.scale.predictor.Predictor`.
    rows_per_block
        Rows answered and written as one; rounded up to whole batches.
    actors
        On Ray, with so many of them; in this process, by default.
    opening
        What else the predictor takes: ``batch_size``, ``device``, …
    progress
        Told (blocks done, blocks in all).

    Raises
    ------
    DataError
        When there are no data, or the device doesn't go with the actors. Not for rows that cannot
        be answered: see the ``error`` column.
    ArtefactError
        When there is no such classifier.
    MismatchError, OutputError
        When ``out`` holds something else, or cannot be written.
    """
    directory = artefact_directory(directory)  # of the hub: one commit for all workers
    read_any(directory)
    opening = _opening(opening or {}, actors)
    batch_size = int(opening.get("batch_size", 8))
    blocks = blocks_of(data, -(-rows_per_block // batch_size) * batch_size)
    settings = {"classifier": digest_of(directory), "question": question, "batch_size": batch_size}
    outputs = Outputs.adopt(out.absolute(), blocks, settings)
    missing = outputs.missing()
    given = (outputs.directory, directory.absolute(), model, question, opening)
    done, rows, errors = len(blocks) - len(missing), 0, 0
    for result in _results([(number, blocks[number]) for number in missing], given, actors):
        done, rows, errors = done + 1, rows + result["rows"], errors + result["errors"]
        if progress is not None:
            progress(done, len(blocks))
    return Answered(len(blocks), len(blocks) - len(missing), rows, errors)


def _opening(given: Mapping[str, Any], actors: Actors | None) -> dict[str, Any]:
    """What the predictor takes besides; the device of an actor may be several."""
    if actors is None:
        return dict(given)
    return {**given, "device": actors.device(given.get("device", "auto"))}


def _results(
    tasks: list[tuple[int, Block]], given: tuple[Any, ...], actors: Actors | None
) -> Iterator[dict[str, int]]:
    if not tasks:
        return iter(())
    if actors is None:
        return map(BlockWork(*given), tasks)
    return on_ray(BlockWork, given, tasks, actors)
