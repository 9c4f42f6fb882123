"""A row of figures as a paper prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Method", "Metric", "Printed", "PrintedTimes", "Scored"]

Metric: TypeAlias = Literal["accuracy", "f1"]
"""μ: what neurons were chosen by."""

Scored: TypeAlias = Literal["probing", "validation"]
"""Which records a figure is of: those that the neurons were chosen on, or others."""

Method: TypeAlias = Literal[
    "base",
    "neuron",
    "mean",
    "majority",
    "either",
    "savs",
    "1-shot",
    "3-shot",
    "5-shot",
    "sft",
    "lora",
]
"""``base``: the model generates; ``neuron``: the best single neuron; ``mean``, ``majority``: Super
Neurons by how their answers are put together, ``either`` where that isn't said; the others by the
paper's names."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a paper prints of one way of answering one task with one model.

    Parameters
    ----------
    table
        Which of its tables: "2", or "App. 3" for one of the appendix.
    task, model
        Keys of :mod:`superneurons.evaluate.reproduction.paper_rows`.
    method
        The way of answering.
    scored_on
        Which records.
    metric
        What neurons were chosen by, where any were.
    accuracy, precision, recall, f1
        In %; of binary questions, with "yes" as the positive answer. ``None`` where not printed.
    threshold
        SNt in %.
    last_layer
        L*, the deepest layer with a neuron.
    n_probe
        Records that were probed or trained on, where the table names another number than 3,000.
    seconds
        Of one question.
    detail
        What is special about this row, such as "images shuffled"; "" for the paper's main setting.

    Examples
    --------
    >>> Printed("2", "pope", "llava-7b", "base", accuracy=89.8).source
    'Table 2'
    """

    table: str
    task: str
    model: str
    method: Method
    scored_on: Scored = "validation"
    metric: Metric | None = None
    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    threshold: float | None = None
    last_layer: int | None = None
    n_probe: int | None = None
    seconds: float | None = None
    detail: str = ""

    @property
    def source(self) -> str:
        """Where it is printed, in words."""
        if self.table.startswith("App. "):
            return f"Appendix, Table {self.table.removeprefix('App. ')}"
        return f"Table {self.table}"


@dataclass(frozen=True, slots=True)
class PrintedTimes:
    """What a paper prints of the time of one question, in seconds.

    Parameters
    ----------
    table, model, method
        As of :class:`Printed`.
    max_new_tokens
        What generation was capped at.
    embedding, prefill, decoding, wall
        The parts, and all of it.
    """

    table: str
    model: str
    method: Method
    max_new_tokens: int
    embedding: float
    prefill: float
    decoding: float
    wall: float
