"""Everything that decides a reproduction, so that it can be run again from this alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from superneurons.activations.site import TOKENS, Position
from superneurons.errors import DataError, Problem
from superneurons.evaluate.reproduction.paper_rows import MODELS
from superneurons.vlm.prompt import PromptOrder

__all__ = ["OPTION_TEMPLATE", "Settings", "check_settings"]

OPTION_TEMPLATE = "{question} Is it {option}? Answer with yes or no."
"""The paper's words for one option of several (arXiv 2603.10781, section 4)."""


@dataclass(frozen=True)
class Settings:
    """What is run on what.

    Parameters
    ----------
    task
        Name of the task: it decides the paper's rows, and without ``data`` names an embedded task.
    data, test, question
        Labelled records to probe and to score on, as
        :func:`~superneurons.task.read.read_records` takes them.
    sprites
        Of an embedded task.
    n_probe, n_test
        Binary questions of the balanced probing set, at most; records that are scored, at most
        (``None``: all; of an embedded task, 300).
    model, revision, dtype, device
        As :func:`~superneurons.vlm.opening.open_vlm` takes them.
    row
        Whose rows of the paper stand beside ours; ``None``: those of the model, by family and
        shape.
    positions
        Tokens that neurons are read at.
    max_layer
        The last layer that may be read; ``None``: all.
    margin_step
        Step of the sweep of SNt, as a share; ``None``: the paper's, 0.01 for LLaVA, else 0.001.
    option_template
        How one option of several is asked for.
    prompt_order, prompt_template
        How the model is asked, as :class:`~superneurons.vlm.prompt.Prompt` takes them.
    generate
        Whether the base model also generates its answers, in a pass of its own.
    shuffles
        Label shuffles of the null.
    batch_size, seed
        Records per forward pass, and the seed of everything that is drawn.
    """

    task: str
    data: str | None = None
    test: str | None = None
    question: str | None = None
    sprites: Literal["seen", "unseen"] = "seen"
    n_probe: int = 3000
    n_test: int | None = None
    model: str = "demo"
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    row: str | None = None
    positions: tuple[Position, ...] = ("last_prompt",)
    max_layer: int | None = None
    margin_step: float | None = None
    option_template: str = OPTION_TEMPLATE
    prompt_order: PromptOrder = "picture-first"
    prompt_template: str | None = None
    generate: bool = True
    shuffles: int = 200
    batch_size: int = 8
    seed: int = 0


def check_settings(settings: Settings) -> None:
    """Refuse settings that can't be run, before anything is opened.

    Raises
    ------
    DataError
        Lists every one.

    Examples
    --------
    >>> check_settings(Settings("pope", data="a.jsonl", n_probe=1))
    Traceback (most recent call last):
    superneurons.errors.DataError: These settings can't be run.
      test: missing; --data goes with --test
      n_probe: 1 is not at least 8
      mend:  Change them.
    """
    s, problems = settings, []
    given = {"data": s.data, "test": s.test}
    if (s.data is None) != (s.test is None):
        gone, there = sorted(given, key=lambda name: given[name] is not None)
        problems.append(Problem(gone, f"missing; --{there} goes with --{gone}"))
    problems += [
        Problem(name, "standard input can't be read again; give a file")
        for name, value in given.items()
        if value == "-"
    ]
    least = {"n_probe": 8, "n_test": 2, "shuffles": 20, "batch_size": 1, "max_layer": 1, "seed": 0}
    problems += [
        Problem(name, f"{value} is not at least {low}")
        for name, low in least.items()
        if (value := getattr(s, name)) is not None and value < low
    ]
    if s.margin_step is not None and not 0 < s.margin_step <= 0.03:
        problems.append(Problem("margin_step", f"{s.margin_step} is not in (0, 0.03]"))
    problems += [
        Problem("positions", _unknown(position, TOKENS))
        for position in s.positions
        if position not in TOKENS
    ]
    if not s.positions:
        problems.append(Problem("positions", f"none; known: {', '.join(TOKENS)}"))
    if s.row is not None and s.row not in MODELS:
        problems.append(Problem("row", _unknown(s.row, MODELS)))
    if problems:
        raise DataError("These settings can't be run.", problems=problems, mend="Change them.")


def _unknown(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, known, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"{word!r} is none of {', '.join(known)}{meant}"
