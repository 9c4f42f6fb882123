"""Keep a run as JSON, and read it again without trusting what is in the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from superneurons.activations.store import write_atomically
from superneurons.errors import ArtefactError, Problem
from superneurons.report.consistency import contradictions
from superneurons.report.decoding import decoded, packed, plain
from superneurons.report.kept import kept_content
from superneurons.report.run import Chosen, Run

__all__ = ["FORMAT", "RUN_FILE", "read_run", "write_run"]

FORMAT = 1
RUN_FILE = "run.json"

_MEND = "Run the command again, with this version of superneurons."


class _Scores(TypedDict, total=False):
    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    balanced_accuracy_interval: tuple[float, float]
    f1: float
    f1_interval: tuple[float, float]
    ece: float | None


class _Times(TypedDict):
    median: float
    low: float
    high: float


class _Named(TypedDict):
    name: str


class _Row(_Named, total=False):
    exit_layer: int | None
    neurons: int | None
    scores: _Scores | None
    ms: _Times | None
    speed_up_over_generate: float | None
    speed_up_over_prefill: float | None
    best_neuron: float | None
    null_maximum: float | None
    agreement: float | None
    note: str


class _Advice(TypedDict):
    sentence: str
    choice: str | None


class _Comparison(TypedDict):
    """What is read of :meth:`superneurons.evaluate.comparison.Comparison.as_dict`."""

    setting: Mapping[str, Any]
    null: Mapping[str, float]
    rows: tuple[_Row, ...]
    recommendation: _Advice | None


def write_run(directory: Path, run: Run) -> Path:
    """Write a run to ``run.json``, whole or not at all.

    Parameters
    ----------
    directory
        Made where it is missing.
    run
        What was found. Scores are kept in 256 levels, from the lowest to the highest; all else as
        it is.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    path = Path(directory) / RUN_FILE
    content = {"format": FORMAT, **_encoded(run)}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
    return path


def _encoded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return packed(value)
    if is_dataclass(value):
        return {field.name: _encoded(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and value and isinstance(value[0], Chosen):
        # A thousand of them: by column they take a third of the room.
        return {field.name: [getattr(one, field.name) for one in value] for field in fields(Chosen)}
    if isinstance(value, tuple):
        return [_encoded(inner) for inner in value]
    return plain(value)


def read_run(place: Path) -> Run:
    """Read what :func:`write_run` wrote; every field is checked.

    Parameters
    ----------
    place
        The file, or the directory that holds it.

    Raises
    ------
    ArtefactError
        When there is none, it was written by a later version, or anything in it isn't what it has
        to be: lists every such place. Thumbnails must be JPEGs in ``data:`` URIs.
    """
    path = Path(place) / RUN_FILE if Path(place).is_dir() else Path(place)
    content = kept_content(
        path,
        what="run",
        newest=FORMAT,
        mend="Give a directory that a command wrote its run.json to (--out), or that file.",
    )
    return _checked(content, path)


def _checked(content: dict[str, Any], path: Path) -> Run:
    form = content.get("format")
    run, problems = decoded(Run, content)
    if form != FORMAT or isinstance(form, bool):
        problems.insert(0, Problem("format", f"is {form!r}, not {FORMAT}"))
    if content.get("comparison") is not None:
        problems += _of_comparison(content["comparison"])
    if run is not None:
        problems += contradictions(run)
    if run is None or problems:
        raise ArtefactError(
            "This is not a run that superneurons kept.",
            problems=problems,
            where=str(path),
            mend=_MEND,
        )
    return run


def _of_comparison(value: Any) -> list[Problem]:
    if not isinstance(value, dict):
        return []  # said already
    found = decoded(_Comparison, value)[1]
    return [Problem(f"comparison.{problem.where}", problem.what) for problem in found]
